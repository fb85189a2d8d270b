"""No early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_hpo.schedulers.base import Budget, Plan, cut, onward
from mlflow_hpo.trial import Trial, Unit


@dataclass(frozen=True)
class FullTraining:
    """Trains every trial to the end."""

    budget: Budget
    resting: bool = True

    @property
    def plan(self) -> Plan:
        """Returns a single rung at the last epoch."""
        return Plan((self.budget.max_epochs,), self.budget.full, self.budget.full, resting=self.resting)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns all epochs of a trial that was interrupted, else of a new one."""
        if chosen := cut(trials, self.plan.rungs, self.resting):
            return onward(chosen, self.budget.max_epochs)
        if more and len(trials) < self.budget.max_trials:
            return Unit(None, 0, self.budget.max_epochs)
        return None
