"""Logged models and versions of registered ones, as they lie in the store."""

import json
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.models import get_model_info

from mlflow_hpo.store.fluent import use_store


def flavors_of(uri: str, tracking_uri: str) -> tuple[str, ...]:
    """The flavors that a logged model can be loaded by."""
    use_store(tracking_uri)
    return tuple(get_model_info(uri).flavors)


def signature_of(uri: str, tracking_uri: str) -> tuple[str, str]:
    """What a logged model takes and what it gives, as JSON; empty where that is not known."""
    use_store(tracking_uri)
    found = get_model_info(uri).signature
    if found is None:
        return "", ""
    inputs, outputs = ("" if s is None else _plain(s.to_json()) for s in (found.inputs, found.outputs))
    return inputs, outputs


@contextmanager
def default_store(uri: str) -> Iterator[None]:
    """MLflow's registry finds a model by its id in the default store, whichever a client was made for."""
    before = mlflow.get_tracking_uri()
    use_store(uri)
    try:
        yield
    finally:
        use_store(before)


def _plain(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
