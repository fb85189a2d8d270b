"""Has the first model of a study loaded once in a fresh process, beside the search."""

from collections.abc import Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager, contextmanager
from time import monotonic

from typing_extensions import override

from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.ledger import Observer
from mlflow_hpo.trial import State, Trial
from mlflow_hpo.worker.loading import can_be_tried, failure_line, fresh_process, submit_load

MOST_TRIES = 3  # a model may be deleted before it is loaded
END_SECONDS = 10.0  # that the end of a study waits at most
TICK_SECONDS = 0.1


class FirstModel(Observer):
    """Warns if the first model cannot be loaded; passes all that happens on to another observer."""

    def __init__(self, shown: Observer, run: StudyRun, process: Executor, tries: int) -> None:
        self._shown, self._run, self._process, self._tries = shown, run, process, tries
        self._study: Study | None = None
        self._loading: tuple[Trial, Future[str]] | None = None

    @override
    def began(self, study: Study) -> None:
        self._study = study
        self._shown.began(study)

    @override
    def changed(self, trial: Trial) -> None:
        if self._tries and not self._loading and trial.model_uri and trial.state is not State.RUNNING:
            self._tries -= 1
            self._loading = trial, submit_load(self._process, trial.model_uri, self._run.connection.uri)
        self._shown.changed(trial)

    @override
    def tick(self) -> None:
        if self._loading and self._loading[1].done():
            self._answer(*self._loading)
        self._shown.tick()

    @override
    def say(self, line: str) -> None:
        self._shown.say(line)

    def wait(self, signals: Signals) -> None:
        """Waits a little for an answer that is still to come, but not if a signal came."""
        deadline = monotonic() + END_SECONDS
        while self._loading and not signals and monotonic() < deadline:
            wait([self._loading[1]], TICK_SECONDS)
            self.tick()

    def _answer(self, trial: Trial, loading: "Future[str]") -> None:
        self._loading = None
        if loading.exception() is not None:  # it cannot be told: the next model may tell
            return
        self._tries = 0
        self._process.shutdown()
        line = failure_line(trial.number, loading.result())
        self._run.keep_load(trial.model_uri, line)
        if line and self._study:
            self.say(f"warning: {line}")
            note = {keys.NOTE: self._study.ledger.describe()}
            self._run.connection.write(self._run.run_id, tags=note)


@contextmanager
def first_model(
    display: AbstractContextManager[Observer], run: StudyRun, spec: ObjectiveSpec, signals: Signals
) -> Iterator[Observer]:
    """Gives the observer for a study that is driven within; at its end, waits for the answer a little.

    Args:
        display: shows the study, and what is said of the model.
    """
    tries = MOST_TRIES if can_be_tried(spec) and not run.loads else 0
    with display as shown, fresh_process(spec) as process:
        observer = FirstModel(shown, run, process, tries)
        yield observer
        observer.wait(signals)
