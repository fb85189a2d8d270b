"""What can be wrong with the tracking store."""

from pathlib import Path
from urllib.parse import unquote

import mlflow
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.utils.file_utils import local_file_uri_to_path

from mlflow_hpo.store.connection import Connection

OUTDATED = "out-of-date"  # MLflow's word for a database of another version's
SQLITE = "sqlite:///"
DEFAULT_ARTIFACTS = Path(DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # of a new SQLite store


def named_uri() -> str:
    """The store that MLflow's environment or its default leads to."""
    return str(mlflow.get_tracking_uri())


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite store; None for any other."""
    return Path(unquote(uri.removeprefix(SQLITE))).absolute() if uri.startswith(SQLITE) else None


def missing_file(uri: str) -> Path | None:
    """The file of a SQLite store that does not exist, which to connect would make; else None."""
    file = sqlite_file(uri)
    return None if file is None or file.exists() else file


def is_default_folder(uri: str) -> bool:
    """Whether a folder `mlruns` with data made MLflow keep to it, though nobody asked for that."""
    return uri.startswith("file:") and not MLFLOW_TRACKING_URI.get()


def artifact_folder(connection: Connection) -> Path | None:
    """Where a new study's artifacts would lie; None where that is not on this machine."""
    known = connection.client.get_experiment(connection.experiment_id()).artifact_location
    if "://" in known and not known.startswith("file:"):
        return None
    return None if known.startswith("mlflow-artifacts:") else Path(local_file_uri_to_path(known)).absolute()
