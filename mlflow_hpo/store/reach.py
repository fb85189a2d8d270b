"""Tells whether a process reaches the store and its artifacts, by one write and one read."""

import tempfile
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.utils.file_utils import local_file_uri_to_path
from mlflow.utils.uri import get_uri_scheme, is_local_uri

from mlflow_hpo.errors import StoreError
from mlflow_hpo.hardware import host_name
from mlflow_hpo.store.connection import Connection, store_errors

FOLDER = "mlflow-hpo-preflight"  # among the experiment's artifacts, for a moment
SERVER = (
    "start a server that all hosts reach, mlflow server --host 0.0.0.0, and set "
    "MLFLOW_TRACKING_URI=http://THIS-MACHINE:5000"
)


def check_shared(connection: Connection, experiment_id: str) -> None:
    """Checks that other machines can reach the store and the artifacts of an experiment, by their addresses.

    Raises:
        StoreError: they lie on this machine's disk.
    """
    if get_uri_scheme(connection.uri) in ("sqlite", "file", ""):
        raise StoreError(f"tracking store {connection.uri!r} is on this machine's disk: {SERVER}")
    where = connection.client.get_experiment(experiment_id).artifact_location
    if is_local_uri(where):
        raise StoreError(
            f"the artifacts of experiment {experiment_id} lie on this machine's disk, at "
            f"{local_file_uri_to_path(where)!r}: take an experiment with artifacts on a server or in a cloud"
        )


def check_reached(uri: str, experiment_id: str) -> None:
    """Writes and reads once, from this process.

    Raises:
        StoreError: that failed.
    """
    where = f"host {host_name()} does not reach the study's store"
    try:
        client = Connection(uri).client
    except StoreError as error:
        raise StoreError(f"{where}: {error}") from None
    with store_errors(where), tempfile.TemporaryDirectory() as folder:
        experiment = client.get_experiment(experiment_id)
        name, root = uuid4().hex, f"{experiment.artifact_location.rstrip('/')}/{FOLDER}"
        file = Path(folder, name)
        file.write_text(name)
        artifacts = get_artifact_repository(root, tracking_uri=uri)
        artifacts.log_artifact(str(file))
        read = Path(artifacts.download_artifacts(name, tempfile.mkdtemp(dir=folder))).read_text()
        with suppress(Exception):  # not every store of artifacts lets them be deleted
            artifacts.delete_artifacts(name)
        if read != name:
            raise StoreError(f"{where}: it reads other artifacts than it wrote at {root}")
