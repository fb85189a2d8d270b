"""The median stopping rule (Golovin et al. 2017, "Google Vizier", section 3.2.2), at rungs."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

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

    def next(self, trials: Sequence[Trial]) -> Unit | None:
        """See `Scheduler.next`."""
        if chosen := cut(trials):
            return onward(chosen, self._after(chosen.epochs))
        for trial in trials:
            rung = trial.epochs
            if 0 < rung < self.budget.max_epochs and rests(trial, rung) and self._good(trial, trials):
                return onward(trial, self._after(rung))
        if len(trials) < self.budget.max_trials:
            return Unit(None, 0, self.budget.rungs[0])
        return None

    def _after(self, epochs: int) -> int:
        return next(rung for rung in self.budget.rungs if rung > epochs)

    def _good(self, trial: Trial, trials: Sequence[Trial]) -> bool:
        rung = trial.epochs
        averages = [
            fmean(loss for epochs, loss in t.losses.items() if epochs <= rung)
            for t in trials
            if rung in t.losses and t.number != trial.number
        ]
        return len(averages) < FEWEST_OTHERS or min(trial.losses.values()) <= median(averages)
