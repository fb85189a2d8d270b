"""Which libraries a study's workers will need: imported once, before the workers are forked.

A wrong guess costs time and no more: a worker still imports what is missing.
"""

import os
from pathlib import Path

from mlflow_hpo.models import is_builtin
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.projects import variables
from mlflow_hpo.user_code import GIVEN, is_reference, read_content

OWN = (
    "worker.train",
    "worker.inspect",
    "worker.process",
    "hardware",
    "store.checkpoints",
    "trial",
    "store",
    "data",
    "objectives.find",
)
KERAS = ("tensorflow", "keras")
TABLES = ("pandas", "sklearn.base", "sklearn.datasets", "sklearn.compose", "sklearn.pipeline")
SETTERS = (b"environ", b"putenv", b"dotenv")  # what sets the environment
STORES = {  # the form of a tracking URI -> what MLflow loads for it when it is first used
    "http": "mlflow.store.tracking.rest_store",
    "file": "mlflow.store.tracking.file_store",
    "": "mlflow.store.tracking.sqlalchemy_store",
}


def libraries(spec: ObjectiveSpec) -> list[str]:
    """Modules to import, by name; of a user's code only what its text names."""
    uri = os.environ.get(variables.TRACKING_URI, "")
    store = next(module for form, module in STORES.items() if uri.startswith(form))
    own = [*(f"mlflow_hpo.{name}" for name in OWN), store]
    if spec.project:
        return [*own, "mlflow_hpo.objectives.project.objective"]
    named = (read_content(spec.code, "model") if spec.code else _text(spec.model)) + _text(spec.data.name)
    if any(
        word in named for word in SETTERS
    ):  # code that sets what a library reads when it is imported must come before it
        return own
    keras = is_builtin(spec.model) or b"keras" in named or b"tensorflow" in named
    tables = keras or bool(spec.data.name) or b"sklearn" in named
    return [*(KERAS if keras else ()), *(TABLES if tables else ()), *own]


def _text(reference: str) -> bytes:
    """What a reference's file holds, where it is found without importing anything; else nothing."""
    if not is_reference(reference) or reference.startswith(GIVEN):
        return b""
    place = reference.rpartition(":")[0]
    file = Path(place if place.endswith(".py") else place.replace(".", "/") + ".py")
    try:
        return file.read_bytes()
    except OSError:
        return b""
