"""Rules for trials that leave no checkpoint: one that falls behind at a rung ends for good.

A trial is one unit, with a bar at each rung. What others had there is what is known when the unit starts.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, nextafter
from statistics import fmean, median

from mlflow_hpo.metric import rank
from mlflow_hpo.schedulers.base import Budget, Plan, onward
from mlflow_hpo.schedulers.median import FEWEST_OTHERS
from mlflow_hpo.trial import State, Trial, Unit

Bar = Callable[[Sequence[Trial], int, int], float]


@dataclass(frozen=True)
class Stopping:
    """Starts one trial after the other, and ends those that do not stay below the bar of a rung."""

    budget: Budget
    bar: Bar

    @property
    def plan(self) -> Plan:
        """At most, no trial is ended; how many are, the trials tell."""
        return Plan(
            self.budget.rungs,
            self.budget.full,
            self.budget.full,
            "what falls behind is ended for good",
            resting=False,
        )

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns an interrupted trial or a new one, to be trained to the end or to a bar it misses."""
        chosen = next((t for t in trials if t.state is State.KILLED), None)
        if chosen is None and not (more and len(trials) < self.budget.max_trials):
            return None
        unit = onward(chosen, self.budget.max_epochs) if chosen else Unit(None, 0, self.budget.max_epochs)
        thresholds = {rung: self.bar(trials, rung, self.budget.eta) for rung in self.budget.rungs[:-1]}
        return Unit(unit.trial, unit.start, unit.stop, unit.source, thresholds)


def top_share(trials: Sequence[Trial], rung: int, eta: int) -> float:
    """Returns the loss to stay below by ASHA: to be in the top 1/eta of those that came to the rung.

    Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning", as it is used where trials
    are not paused: with fewer than eta trials at a rung, oneself included, nobody is ended there.
    """
    at = rank(trials, at=rung)
    places = (len(at) + 1) // eta
    return at[places - 1].losses[rung] if places else inf


def median_average(trials: Sequence[Trial], rung: int, eta: int) -> float:
    """Returns the loss to stay below by the median rule: the median of the others' running averages.

    Golovin et al. 2017, "Google Vizier", section 3.2.2.
    """
    at = rank(trials, at=rung)
    if len(at) < FEWEST_OTHERS:
        return inf
    return nextafter(median(fmean(v for e, v in t.losses.items() if e <= rung) for t in at), inf)


def stopping_asha(budget: Budget) -> Stopping:
    """Makes a scheduler of ASHA's stopping rule."""
    return Stopping(budget, top_share)


def stopping_median(budget: Budget) -> Stopping:
    """Makes a scheduler of the median stopping rule."""
    return Stopping(budget, median_average)
