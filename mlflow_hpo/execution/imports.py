"""Names the libraries that a study's workers will need, to be imported once before workers are forked.

A wrong guess costs time and no more: a worker still imports what is missing.
"""

import os
from pathlib import Path

from mlflow_hpo.models import is_builtin
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.projects import variables
from mlflow_hpo.user_code import GIVEN, is_reference, read_pickle

ALWAYS = tuple(
    f"mlflow_hpo.{name}"
    for name in (
        "worker.train",
        "worker.inspect",
        "worker.messages",
        "worker.reporter",
        "worker.startup",
        "hardware",
        "store.checkpoints",
        "trial",
        "store",
        "data",
        "objectives.find",
    )
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
    """Lists the modules to import. The user's code is not imported: its text is searched for names."""
    uri = os.environ.get(variables.TRACKING_URI, "")
    always = [*ALWAYS, next(module for form, module in STORES.items() if uri.startswith(form))]
    if spec.project:
        return [*always, "mlflow_hpo.objectives.project.objective"]
    text = (read_pickle(spec.code, "model") if spec.code else _text(spec.model)) + _text(spec.data.name)
    if any(setter in text for setter in SETTERS):  # what a library reads when it is imported: it must wait
        return always
    keras = is_builtin(spec.model) or b"keras" in text or b"tensorflow" in text
    tables = keras or bool(spec.data.name) or b"sklearn" in text
    return [*(KERAS if keras else ()), *(TABLES if tables else ()), *always]


def _text(reference: str) -> bytes:
    """Reads the file that a reference names, if it can be located without an import."""
    if not is_reference(reference) or reference.startswith(GIVEN):
        return b""
    module = reference.rpartition(":")[0]
    file = Path(module if module.endswith(".py") else module.replace(".", "/") + ".py")
    try:
        return file.read_bytes()
    except OSError:
        return b""
