"""Keeps the study's run up to date with its best trial, without a call of the store for each result."""

from collections.abc import Callable, Sequence
from time import monotonic

from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import winner
from mlflow_hpo.store import StudyRun
from mlflow_hpo.trial import Trial

PAUSE_SECONDS = 1.0  # between two writes


class BestSoFar:
    """The series of the best value so far, and the study's description."""

    def __init__(self, run: StudyRun, info: StudyInfo, describe: Callable[[], str]) -> None:
        """Nothing is written yet; `describe` returns the study's description."""
        self._run, self._info, self._describe = run, info, describe
        self._points: dict[int, float] = {}  # that are not written yet: number of results -> the best value
        self._written = -PAUSE_SECONDS

    def note(self, trials: Sequence[Trial]) -> None:
        """Extends the series after a new result."""
        best = winner(self._info, trials)
        if best is not None and best.loss is not None:
            self._points[sum(t.result_count for t in trials)] = self._info.metric.value(best.loss)

    def write(self, at_once: bool = False) -> None:
        """Writes what is new, if the last time is long enough ago; `at_once`: in any case."""
        if self._points and (at_once or monotonic() - self._written >= PAUSE_SECONDS):
            points, self._points = self._points, {}
            self._run.show_best(self._info.metric.name, points, self._describe())
            self._written = monotonic()
