"""Scores models on the test part, which no search uses: each model once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field, replace

from mlflow_hpo.errors import StudyError, TrialError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.evaluate import ModelEvaluation, evaluate_model


@dataclass(frozen=True)
class Challenger:
    """A model that may take the alias.

    Attributes:
        trial: the number of the trial whose config it was trained with.
        run_id: the run that logged it.
        values: the study's metrics by name, the first one as the mean over its trial's seeds.
        evaluation: its evaluation on the test part; empty before that.
        scores: its metrics there, as `test_NAME`; empty without a test part.
    """

    trial: int
    run_id: str
    model_uri: str
    values: Mapping[str, float]
    evaluation: ModelEvaluation = field(default_factory=ModelEvaluation)
    scores: Mapping[str, float] = field(default_factory=dict)


def tested(dispatcher: Dispatcher, challengers: Sequence[Challenger], logs: bool) -> Challenger:
    """Evaluates models on the test part, all at once, and logs their scores; returns the first one.

    A model whose run has scores already keeps them.

    Args:
        logs: log the scores; if not, only the first model is evaluated.

    Raises:
        StudyError: the first one could not be evaluated.
    """
    run = dispatcher.run
    first, *others = (replace(c, scores=_logged_scores(run, c)) for c in challengers)
    works = [(c, _submit(dispatcher, c)) for c in (first, *(c for c in others if logs and not c.scores))]
    evaluated = _evaluated(*works[0])
    if logs:
        _log_scores(run, evaluated)
        for other, work in works[1:]:
            with suppress(StudyError):  # it is not the one to be registered
                _log_scores(run, _evaluated(other, work))
    return evaluated


def _submit(dispatcher: Dispatcher, challenger: Challenger) -> "Future[ModelEvaluation]":
    scored = not challenger.scores
    return dispatcher.executor.submit(evaluate_model, dispatcher.task, challenger.model_uri, scored)


def _evaluated(challenger: Challenger, work: "Future[ModelEvaluation]") -> Challenger:
    failed = f"the model of trial {challenger.trial} could not be scored"
    try:
        evaluation: ModelEvaluation = answered(work, "it scored the model")
    except (TrialError, StudyError) as error:
        raise StudyError(f"{failed}: {error}") from error
    if evaluation.failure:
        raise StudyError(f"{failed}: {evaluation.failure}")
    scores = {keys.TEST + name: value for name, value in evaluation.scores.items()}
    return replace(challenger, evaluation=evaluation, scores=challenger.scores or scores)


def _logged_scores(run: StudyRun, challenger: Challenger) -> dict[str, float]:
    metrics = run.connection.client.get_run(challenger.run_id).data.metrics
    return {name: value for name, value in metrics.items() if name.startswith(keys.TEST)}


def _log_scores(run: StudyRun, challenger: Challenger) -> None:
    if challenger.evaluation.scores:
        tags = {keys.TEST_DIGEST: challenger.evaluation.digest}
        run.connection.write(challenger.run_id, metrics=challenger.scores, tags=tags)
