"""The way of a study's best model into MLflow's registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlflow_hpo import summary
from mlflow_hpo.errors import StudyError, TrialError
from mlflow_hpo.executors import Executor, answered
from mlflow_hpo.report.final import Final, train_final
from mlflow_hpo.settings import Settings, check_registration
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.study import make_task
from mlflow_hpo.trial import Trial, best
from mlflow_hpo.worker import evaluate

LOGGED = "models:/"  # before the id of a model that was logged


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
        raise StudyError(
            f"trial {winner.number}, the best, logged no model: nothing to register; trial.log_model logs one"
        )
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
    model = _model(run, settings, winner, executor)
    scores = _test_scores(run, settings, model, executor)
    version = _version(run, settings, trials, model, name, scores)
    run.connection.client.set_registered_model_alias(name, alias, version.version)
    return Registered(name, str(version.version), alias, winner.number, scores)


def _model(run: StudyRun, settings: Settings, winner: Trial, executor: Executor) -> Final:
    """What is registered: the winner's own model, or the one of its final training."""
    if settings.wants_final:
        return train_final(run, settings, winner, executor)
    return Final(winner.number, winner.run_id, winner.model_uri)


def _test_scores(run: StudyRun, settings: Settings, model: Final, executor: Executor) -> dict[str, float]:
    """The scores on the test part: what its run has already, or a worker's evaluation, logged there."""
    logged = run.connection.client.get_run(model.run_id).data.metrics
    if known := {k: v for k, v in logged.items() if k.startswith(keys.TEST)}:
        return known
    try:
        work = executor.submit(evaluate, make_task(settings, run), model.uri)
        scores, digest = answered(work, "it scored the model")
    except (TrialError, StudyError) as error:
        raise StudyError(f"the model of trial {model.trial} could not be scored: {error}") from error
    named = {keys.TEST + k: v for k, v in scores.items()}
    if named:
        run.connection.write(model.run_id, metrics=named, tags={keys.TEST_DIGEST: digest})
    return named


def _version(
    run: StudyRun,
    settings: Settings,
    trials: Sequence[Trial],
    model: Final,
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
        f"Trial {model.trial} of study {run.name} ({run.run_id}): {summary.headline(settings, trials)}. "
        + (f"On the test part: {tested}." if tested else "There was no test part to score it on.")
    )
    trial = next(t for t in trials if t.number == model.trial)
    tags = {keys.STUDY_RUN: run.run_id, keys.TRIAL_RUN: trial.run_id, keys.NUMBER: str(trial.number)}
    return client.create_model_version(
        name,
        source=model.uri,
        run_id=model.run_id,
        tags=tags,
        description=text,
        model_id=model.uri.removeprefix(LOGGED) if model.uri.startswith(LOGGED) else None,
    )
