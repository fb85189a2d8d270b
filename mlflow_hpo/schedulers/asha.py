"""Asynchronous successive halving.

Li et al. 2020, "A System for Massively Parallel Hyperparameter Tuning".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf

from mlflow_hpo.metric import rank
from mlflow_hpo.schedulers.base import Budget, Plan, cut, onward, rests
from mlflow_hpo.trial import State, Trial, Unit


@dataclass(frozen=True)
class Asha:
    """Promotes, whenever a worker is free, a trial in the top 1/eta of its rung; else starts a new one.

    This is the paper's algorithm 2. Two things are added. A unit carries thresholds: what its trial must beat
    at each rung to be in the top 1/eta there, as known when the unit starts; a trial that does goes
    straight on in its worker. And when all is done and no trial got to the end, the best one is trained
    to the end.
    """

    budget: Budget

    @property
    def plan(self) -> Plan:
        """Typical: one in eta goes on from a rung, the best to the end. At most: each beats all before."""
        rungs = self.budget.rungs
        counts = [self.budget.max_trials // self.budget.eta**k for k in range(len(rungs))]
        steps = zip(counts, pairwise((0, *rungs)), strict=True)
        typical = sum(max(n, 1) * (high - low) for n, (low, high) in steps)
        return Plan(rungs, self.budget.full, typical)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns the next rung of a trial that may go on, else the first rung of a new trial."""
        chosen = cut(trials, self.budget.rungs) or self._promotable(trials)
        if chosen:
            return self._unit(chosen, trials)
        if more and len(trials) < self.budget.max_trials:
            return self._unit(None, trials)
        return self._finale(trials)

    def _promotable(self, trials: Sequence[Trial]) -> Trial | None:
        for rung in reversed(self.budget.rungs[:-1]):
            at = rank(trials, at=rung)
            for trial in at[: len(at) // self.budget.eta]:
                if rests(trial, rung):
                    return trial
        return None

    def _unit(self, trial: Trial | None, trials: Sequence[Trial]) -> Unit:
        unit = onward(trial, self.budget.max_epochs) if trial else Unit(None, 0, self.budget.max_epochs)
        others = [t for t in trials if trial is None or t.number != trial.number]
        thresholds = {rung: self._bar(others, rung) for rung in self.budget.rungs[:-1] if rung > unit.start}
        return Unit(unit.trial, unit.start, unit.stop, unit.source, thresholds)

    def _bar(self, others: Sequence[Trial], rung: int) -> float:
        """Returns the loss to stay below, to be one of the top 1/eta of the rung, oneself included."""
        at = rank(others, at=rung)
        places = (len(at) + 1) // self.budget.eta
        return at[places - 1].losses[rung] if places else -inf

    def _finale(self, trials: Sequence[Trial]) -> Unit | None:
        whole = [t for t in trials if t.epochs >= self.budget.max_epochs]
        if any(t.state is State.RUNNING for t in trials) or any(t.ended_at is None for t in whole):
            return None
        for rung in reversed(self.budget.rungs[:-1]):
            at = [t for t in rank(trials, at=rung) if rests(t, rung) or t in whole]
            if any(rests(t, rung) for t in at):  # one that ended by itself may be the best
                return None if at[0] in whole else onward(at[0], self.budget.max_epochs)
        return None
