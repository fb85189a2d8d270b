"""Decides when a study ends: by its timeout, its target or its patience."""

from collections.abc import Iterable, Sequence
from math import inf
from operator import le
from time import monotonic

from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.schedulers import since_better
from mlflow_hpo.trial import State, Trial


class StopRules:
    """The rules by which a study ends.

    Attributes:
        started: `monotonic()` when this driver began.
    """

    def __init__(self, info: StudyInfo) -> None:
        self._info = info
        self.started = monotonic()

    def reason(self, losses: Iterable[float]) -> str:
        """Returns why the study ends at once, with what runs; empty while it does not."""
        settings, metric = self._info.settings, self._info.metric
        limit, target = settings.timeout, settings.target
        if limit is not None and monotonic() - self.started > limit:
            return f"ended by its timeout of {limit:g} s"
        if target is not None and any(loss <= metric.loss(target) for loss in losses):
            return f"ended by its target: {metric.name} reached {target:g}"
        return ""

    def is_out_of_patience(self, seen: Sequence[Trial]) -> bool:
        """Tells whether the last `patience` trials brought no better one: then no more begin."""
        patience = self._info.settings.patience
        if patience is None:
            return False
        if len(self._info.metrics) > 1:
            return _since_front(seen, self._info.plan.rungs) >= patience
        plan = self._info.plan
        return since_better(seen, plan.rungs, plan.firsts) >= patience

    def patience_reason(self, seen: Sequence[Trial]) -> str:
        """Returns the words for a study that ran out of patience; empty if it did not."""
        return "ended by its patience" if self.is_out_of_patience(seen) else ""


def _since_front(trials: Sequence[Trial], rungs: Sequence[int]) -> int:
    """Counts the last trials that an earlier one dominates at their first rung, or that break constraints."""
    better, count = dict[int, list[tuple[float, ...]]](), 0
    sound = [t for t in trials if t.loss is not None and t.state is not State.FAILED]
    for trial in sorted(sound, key=lambda t: t.number):
        at = min((rung for rung in rungs if rung in trial.losses), default=trial.epochs)
        losses = tuple(by.get(at, inf) for by in trial.results.values())
        before = better.setdefault(at, [])
        if trial.violation(at) or any(all(map(le, other, losses)) for other in before):
            count += 1
        else:
            before.append(losses)
            count = 0
    return count
