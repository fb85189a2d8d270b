"""A trial's checkpoints: folders among its run's artifacts, one for each epoch count that a unit ended at."""

from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StoreError, TrialError
from mlflow_hpo.store import Connection, keys, store_errors

EMPTY = ".empty"  # in place of nothing: a tracking server keeps no empty folder


def put(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Store what is in the folder, which may be nothing, as the trial's checkpoint at `epochs`."""
    if not any(path.is_file() for path in folder.rglob("*")):
        (folder / EMPTY).touch()
    connection.client.log_artifacts(run_id, str(folder), _path(epochs))


def get(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Lay the trial's checkpoint at `epochs` into the folder.

    Raises:
        TrialError: it is not there.
        StoreError: it is, or nobody can tell, and it cannot be had now.
    """
    with TemporaryDirectory(dir=folder) as fresh:
        for file in _downloaded(connection, run_id, epochs, fresh).iterdir():
            if file.name != EMPTY:
                file.rename(folder / file.name)


def _downloaded(connection: Connection, run_id: str, epochs: int, folder: str) -> Path:
    where = {"run_id": run_id, "artifact_path": _path(epochs), "tracking_uri": connection.uri}
    try:
        return Path(download_artifacts(dst_path=folder, **where))
    except (MlflowException, OSError) as error:
        words = f"the checkpoint of run {run_id} at epoch {epochs} cannot be read: {error}"
        with store_errors(words):
            there = connection.client.list_artifacts(run_id, _path(epochs))
        raise (StoreError if there else TrialError)(words) from error


def _path(epochs: int) -> str:
    return f"{keys.CHECKPOINTS}/epoch-{epochs:05d}"
