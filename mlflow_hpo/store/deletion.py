"""Deletes logged models, and folders of a run's artifacts."""

from mlflow.entities import LoggedModel
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from mlflow_hpo.errors import StoreError
from mlflow_hpo.store.connection import Connection
from mlflow_hpo.store.models import models_below
from mlflow_hpo.store.repeats import deleting


def delete_models(connection: Connection, experiment_id: str, run_id: str, only: str = "") -> set[str]:
    """Deletes the models that a trial's run and the runs below it logged, unless they are registered.

    Files go first: a model that is still listed is deleted again by the next call.

    Args:
        only: the URI of the one to delete; empty: all.

    Returns:
        The URIs of the registered ones.
    """
    registered = set[str]()
    for model in models_below(connection, experiment_id, run_id):
        uri = f"models:/{model.model_id}"
        if only not in ("", uri):
            continue
        if _is_registered(connection, model, run_id):
            registered.add(uri)
            continue
        _delete(connection, model.artifact_location, None)
        with deleting():
            connection.client.delete_logged_model(model.model_id)
    return registered


def _is_registered(connection: Connection, model: LoggedModel, run_id: str) -> bool:
    """Tells whether a version was made of a model: by the study, or by the code that logged it."""
    sources = (f"models:/{model.model_id}", model.artifact_location)
    versions = [
        version
        for run in {run_id, model.source_run_id}
        for version in connection.client.search_model_versions(f"run_id = '{run}'")
    ]
    return any(version.source in sources for version in versions)


def delete_artifacts(connection: Connection, run_id: str, path: str) -> None:
    """Deletes a folder of a run's artifacts, if it is there."""
    _delete(connection, connection.client.get_run(run_id).info.artifact_uri, path)


def _delete(connection: Connection, root: str, path: str | None) -> None:
    repository = get_artifact_repository(root, tracking_uri=connection.uri)
    try:
        repository.delete_artifacts(path)
    except NotImplementedError as error:
        raise StoreError(f"keep-models: the artifact store {root} deletes nothing: give all") from error
