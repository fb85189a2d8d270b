"""The test part, which no search sees: each model is scored on it once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.errors import StudyError, TrialError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.registry.extra_runs import FinalTraining
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.evaluate import ModelEvaluation, evaluate_model


@dataclass(frozen=True)
class Tested:
    """A model, and what it is worth on the test part.

    Attributes:
        scores: its metrics there, as `test_NAME`; empty where there is no test part.
    """

    model: FinalTraining
    evaluation: ModelEvaluation
    scores: Mapping[str, float]


def tested(dispatcher: Dispatcher, models: Sequence[FinalTraining], keep: bool) -> Tested:
    """Score models on the test part, all at once, and log it in their runs; gives the first one.

    A model whose run has its scores already gets no others.

    Args:
        keep: whether anything is logged; if not, only the first is scored.

    Raises:
        StudyError: the first could not be scored.
    """
    run, executor, task = dispatcher.run, dispatcher.executor, dispatcher.task
    first, *others = models
    known = {model: _known(run, model) for model in models}
    works = {
        model: executor.submit(evaluate_model, task, model.uri, not known[model])
        for model in (first, *(m for m in others if keep and not known[m]))
    }
    evaluation = _answer(first, works.pop(first))
    named = _named(evaluation)
    if keep:
        _keep(run, first, evaluation)
        _keep_others(run, works)
    return Tested(first, evaluation, known[first] or named)


def _keep_others(run: StudyRun, works: Mapping[FinalTraining, "Future[Any]"]) -> None:
    for model, work in works.items():
        try:
            _keep(run, model, _answer(model, work))
        except StudyError:  # it is not the one that is registered
            continue


def _answer(model: FinalTraining, work: "Future[Any]") -> ModelEvaluation:
    try:
        found: ModelEvaluation = answered(work, "it scored the model")
    except (TrialError, StudyError) as error:
        raise StudyError(f"the model of trial {model.trial} could not be scored: {error}") from error
    if found.failure:
        raise StudyError(f"the model of trial {model.trial} could not be scored: {found.failure}")
    return found


def _known(run: StudyRun, model: FinalTraining) -> dict[str, float]:
    logged = run.connection.client.get_run(model.run_id).data.metrics
    return {k: v for k, v in logged.items() if k.startswith(keys.TEST)}


def _named(evaluation: ModelEvaluation) -> dict[str, float]:
    return {keys.TEST + k: v for k, v in evaluation.scores.items()}


def _keep(run: StudyRun, model: FinalTraining, evaluation: ModelEvaluation) -> None:
    if evaluation.scores:
        run.connection.write(
            model.run_id, metrics=_named(evaluation), tags={keys.TEST_DIGEST: evaluation.digest}
        )
