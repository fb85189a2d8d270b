"""Moves the alias of a registered model: to a new version, and back."""

from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError
from mlflow_hpo.registry.gate import champion_of
from mlflow_hpo.store import Connection, keys


def move(connection: Connection, name: str, alias: str, version: str) -> None:
    """Moves the alias of a registered model to a version."""
    connection.client.set_registered_model_alias(name, alias, version)


def rollback(connection: Connection, name: str, alias: str) -> tuple[str, str]:
    """Moves the alias back to the version that held it before.

    Returns:
        The version that held it, and the one that holds it now.

    Raises:
        StudyError: no version holds it, or none held it before, or that version is gone.
    """
    champion = champion_of(connection, name, alias)
    if champion is None:
        raise StudyError(f"model {name!r} has no version with the alias {alias!r}: nothing to roll back")
    before = champion.tags.get(keys.BEFORE + alias)
    if not before:
        raise StudyError(
            f"version {champion.version} of {name!r} is the first known to hold the alias {alias!r}: "
            "there is none before it to go back to"
        )
    try:
        connection.client.get_model_version(name, before)
    except MlflowException as error:
        raise StudyError(f"version {before} of {name!r}, which held {alias!r} before, is gone") from error
    move(connection, name, alias, before)
    return str(champion.version), before
