"""The test part, which no search sees: each model is scored on it once."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.errors import StudyError, TrialError
from mlflow_hpo.executors import Executor, answered
from mlflow_hpo.judge import Judged, judge
from mlflow_hpo.report.final import Final
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.tasks import make_task


@dataclass(frozen=True)
class Tested:
    """A model, and what it is worth on the test part.

    Attributes:
        scores: its metrics there, as `test_NAME`; empty where there is no test part.
    """

    model: Final
    judged: Judged
    scores: Mapping[str, float]


def tested(
    run: StudyRun, settings: Settings, models: Sequence[Final], executor: Executor, keep: bool
) -> Tested:
    """Score models on the test part, all at once, and log it in their runs; gives the first one.

    A model whose run has its scores already gets no others.

    Args:
        keep: whether anything is logged; if not, only the first is scored.

    Raises:
        StudyError: the first could not be scored.
    """
    first, *others = models
    known = {model: _known(run, model) for model in models}
    task = make_task(settings, run)
    works = {
        model: executor.submit(judge, task, model.uri, not known[model])
        for model in (first, *(m for m in others if keep and not known[m]))
    }
    judged = _answer(first, works.pop(first))
    named = _named(judged)
    if keep:
        _keep(run, first, judged)
        _keep_others(run, works)
    return Tested(first, judged, known[first] or named)


def _keep_others(run: StudyRun, works: Mapping[Final, "Future[Any]"]) -> None:
    for model, work in works.items():
        try:
            _keep(run, model, _answer(model, work))
        except StudyError:  # it is not the one that is registered
            continue


def _answer(model: Final, work: "Future[Any]") -> Judged:
    try:
        found: Judged = answered(work, "it scored the model")
    except (TrialError, StudyError) as error:
        raise StudyError(f"the model of trial {model.trial} could not be scored: {error}") from error
    return found


def _known(run: StudyRun, model: Final) -> dict[str, float]:
    logged = run.connection.client.get_run(model.run_id).data.metrics
    return {k: v for k, v in logged.items() if k.startswith(keys.TEST)}


def _named(judged: Judged) -> dict[str, float]:
    return {keys.TEST + k: v for k, v in judged.scores.items()}


def _keep(run: StudyRun, model: Final, judged: Judged) -> None:
    if judged.scores:
        run.connection.write(model.run_id, metrics=_named(judged), tags={keys.TEST_DIGEST: judged.digest})
