"""Stores a trial's checkpoints: folders among its run's artifacts, one for each end of a unit."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StoreError, TrialError
from mlflow_hpo.store import Connection, keys, store_errors

EMPTY = ".empty"  # stands in an empty checkpoint: a tracking server keeps no empty folder


def put(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Stores a folder, which may be empty, as the trial's checkpoint after `epochs`."""
    if not any(path.is_file() for path in folder.rglob("*")):
        (folder / EMPTY).touch()
    connection.client.log_artifacts(run_id, str(folder), _path(epochs))


def get(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Copies the trial's checkpoint after `epochs` into a folder.

    Raises:
        TrialError: there is none.
        StoreError: the store does not answer, or does not give it.
    """
    with TemporaryDirectory(dir=folder) as temporary:
        for file in _download(connection, run_id, epochs, temporary).iterdir():
            if file.name != EMPTY:
                file.rename(folder / file.name)


def _download(connection: Connection, run_id: str, epochs: int, folder: str) -> Path:
    path = _path(epochs)
    try:
        return Path(download_artifacts(None, run_id, path, folder, connection.uri))
    except (MlflowException, OSError) as error:
        message = f"the checkpoint of run {run_id} at epoch {epochs} cannot be read: {error}"
        with store_errors(message):
            files = connection.client.list_artifacts(run_id, path)
        raise (StoreError if files else TrialError)(message) from error


def _path(epochs: int) -> str:
    return f"{keys.CHECKPOINTS}/epoch-{epochs:05d}"
