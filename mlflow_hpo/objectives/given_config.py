"""Gives a trial's config to the user's code in the form that its space was given in."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.space import Options
from mlflow_hpo.user_code import load_code


def given_config(spec: ObjectiveSpec, config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a config with the objects that its words stand for, and nested as the space was."""
    values = _options(spec.options).restored(config) if spec.options else dict(config)
    for path in spec.paths:
        name, inner = ".".join(path), values
        if name in values:
            value = values.pop(name)
            for step in path[:-1]:
                inner = inner.setdefault(step, {})
            inner[path[-1]] = value
    return values


@lru_cache(maxsize=2)
def _options(digest: str) -> Options:
    options: Options = load_code(digest, "an option of the space")
    return options
