"""What a scheduler is, and what the rules have in common."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

from mlflow_hpo.trial import Dropped, State, Trial, Unit


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        min_epochs: epochs of the first rung.
        eta: of the trials at a rung, one in so many goes on.
    """

    max_trials: int
    max_epochs: int
    min_epochs: int = 1
    eta: int = 3

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs, by powers of eta down from max_epochs, the lowest not below min_epochs."""
        halvings = 0
        while self.min_epochs * self.eta ** (halvings + 1) <= self.max_epochs:
            halvings += 1
        return tuple(self.max_epochs // self.eta**k for k in range(halvings, -1, -1))

    @property
    def full(self) -> int:
        """Epochs of training every trial to the end."""
        return self.max_trials * self.max_epochs


@dataclass(frozen=True)
class Plan:
    """What a scheduler is about to do.

    Attributes:
        rungs: the epochs at which trials are compared.
        most: the most epochs it can spend.
        typical: what it spends when trials come in no order of merit; the same as `most` where that is sure.
        note: more in words, or empty.
        fresh: how many trials begin afresh; None: all.
        firsts: the rung that each trial stops at first, by its number; empty: the lowest.
        resting: trials can pause at a rung and go on from there.
    """

    rungs: tuple[int, ...]
    most: int
    typical: int
    note: str = ""
    fresh: int | None = None
    firsts: tuple[int, ...] = ()
    resting: bool = True


class Scheduler(Protocol):
    """Decides how many epochs each trial deserves: a pure function of the trials."""

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns the unit to start now; None while there is nothing to start.

        A study is over when this gives None and no unit runs. A trial whose unit was cut (KILLED) is
        given that unit again before anything else, so that a resumed study leaves none behind.

        Args:
            more: whether a new config can be had: without, those there are go on as if they were all.
        """

    @property
    def plan(self) -> Plan:
        """What it is about to do."""


def cut(trials: Iterable[Trial], rungs: Sequence[int], resting: bool = True) -> Trial | None:
    """Returns the first trial whose unit is to be given again, or that a target ended between rungs."""
    return next((t for t in trials if t.state is State.KILLED or (resting and _between(t, rungs))), None)


def _between(trial: Trial, rungs: Sequence[int]) -> bool:
    return trial.can_go_on and 0 < trial.epochs < rungs[-1] and trial.epochs not in rungs


def onward(trial: Trial, stop: int) -> Unit:
    """Returns the unit that takes a trial from its last checkpoint, or its source's, to epoch `stop`.

    Where its checkpoint was deleted, it is trained from its beginning: with its seed it comes to the same.
    """
    if trial.epochs and trial.dropped is not Dropped.ALL:
        return Unit(trial.number, trial.epochs, stop, trial.number)
    return Unit(trial.number, trial.start, stop, trial.source)


def rests(trial: Trial, epochs: int) -> bool:
    """Tells whether a trial stands at a rung and could be promoted from there."""
    return trial.can_go_on and trial.epochs == epochs


def since_better(trials: Iterable[Trial], rungs: Sequence[int], firsts: Sequence[int] = ()) -> int:
    """Counts the last trials that were no better than all before them, each at its first rung.

    A promotion changes nothing about that: it would make every promoted trial a better one.

    Args:
        firsts: see `Plan`; one may have told its loss at a lower rung as it passed it.
    """
    lowest, count = dict[int, float](), 0
    for trial in sorted(trials, key=lambda t: t.number):
        least = firsts[trial.number] if trial.number < len(firsts) else 0
        at = min((rung for rung in rungs if rung >= least and rung in trial.losses), default=None)
        if at is None or trial.state is State.FAILED:
            continue
        count = 0 if trial.losses[at] < lowest.get(at, inf) else count + 1
        lowest |= {e: min(loss, lowest.get(e, inf)) for e, loss in trial.losses.items()}
    return count
