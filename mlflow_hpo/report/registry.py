"""The way of a study's best model into MLflow's registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from pebble import ProcessExpired

from mlflow_hpo import summary
from mlflow_hpo.errors import StudyError, TrialError
from mlflow_hpo.executors import Executor
from mlflow_hpo.settings import Settings, check_registration
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.study import make_task
from mlflow_hpo.trial import Trial, best
from mlflow_hpo.worker import evaluate


@dataclass(frozen=True)
class Registered:
    """A model version that the registry took."""

    name: str
    version: str
    alias: str
    trial: int
    scores: dict[str, float]


def check_registrable(run: StudyRun, trials: Sequence[Trial]) -> Trial:
    """The best trial.

    Raises:
        StudyError: no trial finished, or the best one has no model.
    """
    winner = best(trials)
    if winner is None:
        raise StudyError(f"study {run.name} ({run.run_id}) has no finished trial: nothing to register")
    if not winner.model_uri:
        raise StudyError(f"trial {winner.number}, the best, logged no model: nothing to register")
    return winner


def register(
    run: StudyRun, settings: Settings, trials: Sequence[Trial], name: str, alias: str, executor: Executor
) -> Registered:
    """Score the best model on the test part, once, make it a version of `name`, and move the alias to it.

    Raises:
        ConfigError: the name or the alias is not valid.
        StudyError: no trial finished, or the best one has no model.
    """
    check_registration(name, alias)
    winner = check_registrable(run, trials)
    scores = _test_scores(run, settings, winner, executor)
    version = _version(run, settings, trials, winner, name, scores)
    run.connection.client.set_registered_model_alias(name, alias, version.version)
    return Registered(name, str(version.version), alias, winner.number, scores)


def _test_scores(run: StudyRun, settings: Settings, winner: Trial, executor: Executor) -> dict[str, float]:
    """The scores on the test part: what its run has already, or a worker's evaluation, logged there."""
    logged = run.connection.client.get_run(winner.run_id).data.metrics
    if known := {k: v for k, v in logged.items() if k.startswith(keys.TEST)}:
        return known
    try:
        scores, digest = executor.submit(evaluate, make_task(settings, run), winner.model_uri).result()
    except (TrialError, ProcessExpired, RuntimeError) as error:
        raise StudyError(f"the model of trial {winner.number} could not be scored: {error}") from error
    named = {keys.TEST + k: v for k, v in scores.items()}
    run.connection.write(winner.run_id, metrics=named, step=winner.epochs, tags={keys.TEST_DIGEST: digest})
    return named


def _version(
    run: StudyRun,
    settings: Settings,
    trials: Sequence[Trial],
    winner: Trial,
    name: str,
    scores: dict[str, float],
) -> ModelVersion:
    client = run.connection.client
    try:
        client.get_registered_model(name)
    except MlflowException:
        client.create_registered_model(name)
    tested = ", ".join(f"{k} {v:.4f}" for k, v in scores.items())
    text = (
        f"Trial {winner.number} of study {run.name} ({run.run_id}): {summary.headline(settings, trials)}. "
        f"On the test part: {tested}."
    )
    tags = {keys.STUDY_RUN: run.run_id, keys.TRIAL_RUN: winner.run_id, keys.NUMBER: str(winner.number)}
    return client.create_model_version(
        name,
        source=winner.model_uri,
        run_id=winner.run_id,
        tags=tags,
        description=text,
        model_id=winner.model_uri.removeprefix("models:/"),
    )
