"""Examines the tracking store that MLflow would use; does not create one."""

from pathlib import Path
from urllib.parse import unquote

import mlflow
import psutil
from mlflow.environment_variables import MLFLOW_TRACKING_URI
from mlflow.store.tracking import DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH
from mlflow.utils.file_utils import local_file_uri_to_path

from mlflow_hpo.store.connection import Connection

OUTDATED = "out-of-date"  # MLflow's word for a database of another version's
SQLITE = "sqlite:///"
DEFAULT_ARTIFACTS = Path(DEFAULT_LOCAL_FILE_AND_ARTIFACT_PATH)  # of a new SQLite store
NETWORK = ("nfs", "cifs", "smb", "afs", "sshfs", "9p", "lustre", "gpfs", "glusterfs", "ceph", "beegfs")


def named_uri() -> str:
    """Returns the store that MLflow's environment names, or its default."""
    return str(mlflow.get_tracking_uri())


def sqlite_file(uri: str) -> Path | None:
    """Returns the file of a SQLite store; None for any other store."""
    return Path(unquote(uri.removeprefix(SQLITE))).absolute() if uri.startswith(SQLITE) else None


def missing_file(uri: str) -> Path | None:
    """Returns the file of a SQLite store if it does not exist; else None."""
    file = sqlite_file(uri)
    return None if file is None or file.exists() else file


def is_default_folder(uri: str) -> bool:
    """Tells whether MLflow uses a folder `mlruns` only because that has data in it."""
    return uri.startswith("file:") and not MLFLOW_TRACKING_URI.get()


def artifact_folder(connection: Connection) -> Path | None:
    """Returns the folder of a new study's artifacts; None if they do not go to this machine's files."""
    location = connection.client.get_experiment(connection.experiment_id()).artifact_location
    is_remote = "://" in location and not location.startswith("file:")
    if is_remote or location.startswith("mlflow-artifacts:"):
        return None
    return Path(local_file_uri_to_path(location)).absolute()


def file_system(path: Path) -> str:
    """Returns the kind of the file system that a path is on, or would be."""
    mounts = psutil.disk_partitions(all=True)
    above = [m for m in mounts if path.resolve().is_relative_to(m.mountpoint)]
    return max(above, key=lambda m: len(m.mountpoint)).fstype if above else ""


def is_network(kind: str) -> bool:
    """Tells whether a kind of file system is one over a network."""
    return kind.lower().removeprefix("fuse.").startswith(NETWORK)
