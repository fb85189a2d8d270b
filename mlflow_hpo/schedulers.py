"""Schedulers: pure rules for which unit of work comes next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlflow_hpo.errors import unknown
from mlflow_hpo.trial import State, Trial, Unit


class Scheduler(Protocol):
    """Decides how many epochs each trial deserves."""

    def next(self, trials: Sequence[Trial]) -> Unit | None:
        """The unit to start now; None while there is nothing to start.

        A study is over when this gives None and no unit runs. A trial whose unit was cut (KILLED) is
        given that unit again before anything else, so that a resumed study leaves none behind.
        """


@dataclass(frozen=True)
class FullTraining:
    """Trains every trial to the end: no early stopping."""

    max_trials: int
    max_epochs: int

    def next(self, trials: Sequence[Trial]) -> Unit | None:
        """See `Scheduler.next`."""
        for trial in trials:
            if trial.state in (State.KILLED, State.PAUSED):
                source = trial.number if trial.epochs else None
                return Unit(trial.number, trial.epochs, self.max_epochs, source)
        if len(trials) < self.max_trials:
            return Unit(None, 0, self.max_epochs)
        return None


SCHEDULERS: Mapping[str, Callable[[int, int], Scheduler]] = {"none": FullTraining}


def scheduler(name: str, max_trials: int, max_epochs: int) -> Scheduler:
    """The scheduler with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS)
    return SCHEDULERS[name](max_trials, max_epochs)
