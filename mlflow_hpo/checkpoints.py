"""A trial's checkpoints: folders among its run's artifacts, one for each epoch count that a unit ended at."""

from pathlib import Path
from shutil import rmtree

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
    try:
        path = Path(
            download_artifacts(
                run_id=run_id, artifact_path=_path(epochs), dst_path=str(folder), tracking_uri=connection.uri
            )
        )
    except (MlflowException, OSError) as error:
        words = f"the checkpoint of run {run_id} at epoch {epochs} cannot be read: {error}"
        with store_errors(words):
            there = connection.client.list_artifacts(run_id, _path(epochs))
        raise (StoreError if there else TrialError)(words) from error
    for file in path.iterdir():
        if file.name != EMPTY:
            file.rename(folder / file.name)
    rmtree(folder / path.relative_to(folder).parts[0])  # what is left there is no part of it


def _path(epochs: int) -> str:
    return f"{keys.CHECKPOINTS}/epoch-{epochs:05d}"
