"""No early stopping."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_hpo.schedulers.base import Budget, Plan, onward
from mlflow_hpo.trial import State, Trial, Unit


@dataclass(frozen=True)
class FullTraining:
    """Trains every trial to the end."""

    budget: Budget

    @property
    def plan(self) -> Plan:
        """See `Scheduler.plan`."""
        return Plan((self.budget.max_epochs,), self.budget.full, self.budget.full)

    def next(self, trials: Sequence[Trial]) -> Unit | None:
        """See `Scheduler.next`."""
        for trial in trials:
            if trial.state in (State.KILLED, State.PAUSED):
                return onward(trial, self.budget.max_epochs)
        if len(trials) < self.budget.max_trials:
            return Unit(None, 0, self.budget.max_epochs)
        return None
