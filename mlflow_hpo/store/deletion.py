"""Deletes logged models, and folders of a run's artifacts."""

from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from mlflow_hpo.errors import StoreError
from mlflow_hpo.store.connection import Connection


def delete_models(connection: Connection, experiment_id: str, run_id: str, but: str = "") -> set[str]:
    """Deletes the models that a run logged, except for `but` and those that are registered.

    Files go first: a model that is still listed is deleted again by the next call.

    Returns:
        The URIs of the registered ones.
    """
    client, registered = connection.client, set[str]()
    for model in client.search_logged_models([experiment_id], f"source_run_id = '{run_id}'"):
        uri = f"models:/{model.model_id}"
        if uri == but:
            continue
        versions = client.search_model_versions(f"run_id = '{run_id}'")
        if any(version.source in (uri, model.artifact_location) for version in versions):
            registered.add(uri)
            continue
        _delete(connection, model.artifact_location, None)
        client.delete_logged_model(model.model_id)
    return registered


def delete_artifacts(connection: Connection, run_id: str, path: str) -> None:
    """Deletes a folder of a run's artifacts, if it is there."""
    _delete(connection, connection.client.get_run(run_id).info.artifact_uri, path)


def _delete(connection: Connection, root: str, path: str | None) -> None:
    repository = get_artifact_repository(root, tracking_uri=connection.uri)
    try:
        repository.delete_artifacts(path)
    except NotImplementedError as error:
        raise StoreError(f"keep-models: the artifact store {root} deletes nothing: give all") from error
