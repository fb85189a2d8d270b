"""Makes versions of a registered model."""

from collections.abc import Sequence
from contextlib import suppress

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlflow_hpo.registry.alias import move
from mlflow_hpo.registry.gate import classes_tag
from mlflow_hpo.registry.testing import Challenger
from mlflow_hpo.registry.verdict import MAX_REASON, Verdict
from mlflow_hpo.report import summary
from mlflow_hpo.store import Connection, default_store, keys
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.store.creation import new_mark
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.store.repeats import deleting
from mlflow_hpo.trial import Trial
from mlflow_hpo.worker.dispatch import Dispatcher

LOGGED = "models:/"  # before the id of a model that was logged


def new_version(
    dispatcher: Dispatcher,
    trials: Sequence[Trial],
    challenger: Challenger,
    verdict: Verdict,
    name: str,
    alias: str,
) -> Registration:
    """Makes the challenger a version, then moves the alias to it: at no moment is the alias without one."""
    connection, uri = dispatcher.run.connection, challenger.model_uri
    _create_model(connection, name)
    mark = {keys.CREATED: new_mark()}
    with default_store(connection.uri):
        made = connection.client.create_model_version(
            name,
            source=uri,
            run_id=challenger.run_id,
            tags=_tags(dispatcher, trials, challenger, verdict, alias) | mark,
            description=_description(dispatcher, trials, challenger, verdict),
            model_id=uri.removeprefix(LOGGED) if uri.startswith(LOGGED) else None,
        )
    number = _without_twins(connection, made)
    move(connection, name, alias, number)
    why = verdict.why if verdict.moves else f"it was forced, though {verdict.why}"
    return Registration(name, alias, challenger.trial, why, number, dict(challenger.scores))


def _without_twins(connection: Connection, made: ModelVersion) -> str:
    """Returns the number of a new version: the first of those that were made, as an answer was lost."""
    same = [
        version
        for version in connection.client.search_model_versions(f"run_id = '{made.run_id}'")
        if version.tags.get(keys.CREATED) == made.tags[keys.CREATED]
    ]
    first, *others = sorted(int(version.version) for version in same)
    for other in others:
        with deleting():
            connection.client.delete_model_version(made.name, str(other))
    return str(first)


def _tags(
    dispatcher: Dispatcher, trials: Sequence[Trial], challenger: Challenger, verdict: Verdict, alias: str
) -> dict[str, str]:
    """Returns the tags of a version: those that lead back to its study and trial, and what was compared."""
    info, evaluation = dispatcher.info, challenger.evaluation
    tags = {
        keys.STUDY_RUN: dispatcher.run.run_id,
        keys.TRIAL_RUN: next(t.run_id for t in trials if t.number == challenger.trial),
        keys.NUMBER: str(challenger.trial),
        keys.VALUE: to_json([info.metric.name, challenger.values[info.metric.name]]),
        keys.VALUES: to_json(dict(challenger.values)),
        keys.COMPARED: verdict.tag(info.settings.min_gain),
    }
    if evaluation.digest:
        tags |= {keys.TEST_DIGEST: evaluation.digest, keys.CLASSES: classes_tag(evaluation.classes)}
        tags |= {keys.HELD_OUT: evaluation.held_out, keys.SEARCHED_ROWS: evaluation.searched}
    if not verdict.moves:
        tags[keys.FORCED] = verdict.why[:MAX_REASON]
    if verdict.champion:
        tags[keys.BEFORE + alias] = str(verdict.champion.version)
    return tags


def _description(
    dispatcher: Dispatcher, trials: Sequence[Trial], challenger: Challenger, verdict: Verdict
) -> str:
    """Returns the description of a version, for people."""
    run, digest = dispatcher.run, challenger.evaluation.digest
    scores = ", ".join(f"{name} {value:.4f}" for name, value in challenger.scores.items())
    headline = summary.headline(dispatcher.info, trials)
    sentences = [
        f"Trial {challenger.trial} of study {run.name} ({run.run_id}): {headline}.",
        f"On the test part: {scores}." if scores else "There was no test part to score it on.",
        f"{'It took' if verdict.moves else 'It was forced to take'} the alias: {verdict.why}"
        + (f" (data {digest})." if digest else "."),
        verdict.note,
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def _create_model(connection: Connection, name: str) -> None:
    """Creates the registered model if there is none."""
    with suppress(MlflowException):  # it is there, or the store says below what is wrong
        connection.client.create_registered_model(name)
    connection.client.get_registered_model(name)
