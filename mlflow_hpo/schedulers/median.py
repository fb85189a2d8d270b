"""The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2), at rungs."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from mlflow_hpo.schedulers.base import Budget, Plan, cut, onward, rests
from mlflow_hpo.trial import Trial, Unit

FEWEST_OTHERS = 3  # at a rung, before anybody is stopped there


@dataclass(frozen=True)
class MedianStopping:
    """Stops a trial whose best loss so far is worse than the median of the others' running averages.

    A trial that rests may yet go on when the median rises as others come in.
    """

    budget: Budget

    @property
    def plan(self) -> Plan:
        """Typical: half of the trials go on from each rung."""
        typical, low, left = 0, 0, self.budget.max_trials
        for rung in self.budget.rungs:
            typical, low, left = typical + left * (rung - low), rung, -(-left // 2)
        return Plan(self.budget.rungs, self.budget.full, typical)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns the next part of a trial that is not below the median, else a new trial."""
        if chosen := cut(trials, self.budget.rungs):
            return onward(chosen, self._after(chosen.epochs))
        averages = {rung: _running_averages(trials, rung) for rung in self.budget.rungs[:-1]}
        for trial in trials:
            rung = trial.epochs
            if rung in averages and rests(trial, rung) and _good(trial, averages[rung]):
                return onward(trial, self._after(rung))
        if more and len(trials) < self.budget.max_trials:
            return Unit(None, 0, self.budget.rungs[0])
        return None

    def _after(self, epochs: int) -> int:
        return next(rung for rung in self.budget.rungs if rung > epochs)


def _running_averages(trials: Sequence[Trial], rung: int) -> list[float]:
    """Returns each trial's mean loss up to the rung, of those that got there, in order of size."""
    return sorted(_average(t, rung) for t in trials if rung in t.losses)


def _average(trial: Trial, rung: int) -> float:
    return fmean(loss for epochs, loss in trial.losses.items() if epochs <= rung)


def _good(trial: Trial, averages: list[float]) -> bool:
    """Tells whether the trial's best loss is no worse than the median of the others' averages."""
    own = bisect_left(averages, _average(trial, trial.epochs))
    others, middle = len(averages) - 1, (len(averages) - 2) // 2
    if others < FEWEST_OTHERS:
        return True
    low, high = (averages[i if i < own else i + 1] for i in (middle, others // 2))
    return min(trial.losses.values()) <= (low + high) / 2
