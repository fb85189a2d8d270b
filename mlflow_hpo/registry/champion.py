"""The version that holds an alias, and what keeps another model from being compared with it."""

import json
from collections.abc import Sequence

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlflow_hpo.store import Connection, keys
from mlflow_hpo.worker.evaluate import ModelEvaluation, Signature

MISSING = "RESOURCE_DOES_NOT_EXIST"
SHOWN = 200  # characters of a signature


def holder(connection: Connection, name: str, alias: str) -> ModelVersion | None:
    """The version of `name` that has the alias; None where there is none."""
    try:
        aliases = connection.client.get_registered_model(name).aliases
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        return None
    return connection.client.get_model_version(name, aliases[alias]) if alias in aliases else None


def uri_of(version: ModelVersion) -> str:
    """Where a registered version is loaded from."""
    return f"models:/{version.name}/{version.version}"


def differences(champion: ModelVersion, theirs: Signature, new: ModelEvaluation) -> list[str]:
    """What a caller of the champion would notice if another model took its place, in words."""
    ours, classes = new.signature, new.classes
    found = [
        f"its {what} are {_cut(their)}, not {_cut(our)}"
        for what, their, our in (
            ("inputs", theirs.inputs, ours.inputs),
            ("outputs", theirs.outputs, ours.outputs),
        )
        if their != our
    ]
    known = champion.tags.get(keys.CLASSES)
    if known is not None and known != classes_tag(classes):
        found.append(f"its classes are {_cut(known)}, not {_cut(classes_tag(classes))}")
    return found


def classes_tag(classes: Sequence[str]) -> str:
    """The classes' names, as they are kept with a version."""
    return json.dumps(list(classes), ensure_ascii=False, separators=(",", ":"))[: keys.MAX_TAG]


def recorded(champion: ModelVersion) -> tuple[str, float] | None:
    """The metric that the champion's study optimised, and its value; None where it is not recorded."""
    text = champion.tags.get(keys.VALUE)
    if not text:
        return None
    metric, value = json.loads(text)
    return str(metric), float(value)


def _cut(text: str) -> str:
    return (text if len(text) <= SHOWN else text[: SHOWN - 1] + "…") or "unknown"
