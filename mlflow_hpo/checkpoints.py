"""A trial's checkpoints: folders among its run's artifacts, one for each epoch count that a unit ended at."""

from pathlib import Path

from mlflow.artifacts import download_artifacts
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import TrialError
from mlflow_hpo.store import Connection, keys


def put(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Store what is in the folder as the trial's checkpoint at `epochs`."""
    connection.client.log_artifacts(run_id, str(folder), _path(epochs))


def get(connection: Connection, run_id: str, epochs: int, folder: Path) -> None:
    """Lay the trial's checkpoint at `epochs` into the folder.

    Raises:
        TrialError: it is not there.
    """
    try:
        path = Path(
            download_artifacts(
                run_id=run_id, artifact_path=_path(epochs), dst_path=str(folder), tracking_uri=connection.uri
            )
        )
    except (MlflowException, OSError) as error:
        raise TrialError(
            f"the checkpoint of run {run_id} at epoch {epochs} cannot be read: {error}"
        ) from error
    for file in path.iterdir():
        file.rename(folder / file.name)


def _path(epochs: int) -> str:
    return f"{keys.CHECKPOINTS}/epoch-{epochs:05d}"
