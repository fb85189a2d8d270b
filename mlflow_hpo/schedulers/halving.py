"""Successive halving (Jamieson and Talwalkar 2016) and Hyperband (Li et al. 2018), rung by rung."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from mlflow_hpo.metric import rank
from mlflow_hpo.schedulers.base import Budget, Plan, cut, onward, rests
from mlflow_hpo.trial import State, Trial, Unit


@dataclass(frozen=True)
class Bracket:
    """One successive halving: so many trials at the first of its rungs, the top 1/eta of them at the next."""

    size: int
    rungs: tuple[int, ...]
    eta: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Trials at each rung: n_i = floor(n / eta^i), one at least."""
        return tuple(max(1, self.size // self.eta**i) for i in range(len(self.rungs)))

    @property
    def epochs(self) -> int:
        """Returns the epochs that the bracket trains."""
        steps = pairwise((0, *self.rungs))
        return sum(n * (high - low) for n, (low, high) in zip(self.sizes, steps, strict=True))

    def promotion(self, members: Sequence[Trial], complete: bool) -> Unit | None:
        """Returns the next promotion, once all trials of a rung have got there or failed.

        Args:
            complete: whether no more trials will join.
        """
        entered = list(members)
        for (low, high), places in zip(pairwise(self.rungs), self.sizes[1:], strict=True):
            if not complete or any(_is_on_the_way(t, low) for t in entered):
                return None
            able = [t for t in rank(entered, at=low) if t.state is not State.FAILED or high in t.losses]
            top = able[:places]
            for trial in top:
                if rests(trial, low):
                    return onward(trial, high)
            entered = top
        return None

    def next_rung(self, trial: Trial) -> int:
        """Returns the epoch at which a unit of the trial ends."""
        return next(rung for rung in self.rungs if rung > trial.epochs)


def _is_on_the_way(trial: Trial, rung: int) -> bool:
    """Tells whether a trial's loss at a rung is yet to come; one that passed it without a value has none."""
    return rung not in trial.losses and trial.epochs < rung and trial.state is not State.FAILED


@dataclass(frozen=True)
class Hyperband:
    """Brackets from many short trials to few long ones, over again until max_trials are spent.

    With `single` there is one bracket only, of all trials: successive halving.
    """

    budget: Budget
    single: bool = False

    @property
    def brackets(self) -> list[Bracket]:
        """As planned."""
        return self._brackets(self.budget.max_trials)

    def _brackets(self, trials: int) -> list[Bracket]:
        """Returns the brackets: n = ceil(B/R * eta^s / (s + 1)), r = R / eta^s; the last has what is left."""
        rungs, eta = self.budget.rungs, self.budget.eta
        if self.single:
            return [Bracket(trials, rungs, eta)]
        left, found = trials, list[Bracket]()
        while left:
            s = (len(rungs) - 1 - len(found)) % len(rungs)
            size = min(left, -(-len(rungs) * eta**s // (s + 1)))
            found.append(Bracket(size, rungs[len(rungs) - 1 - s :], eta))
            left -= size
        return found

    @property
    def plan(self) -> Plan:
        """What it spends is sure, unless trials fail."""
        epochs = sum(bracket.epochs for bracket in self.brackets)
        shown = "; ".join(
            ", ".join(f"{n} to epoch {r}" for n, r in zip(b.sizes, b.rungs, strict=True))
            for b in self.brackets[: len(self.budget.rungs)]
        )
        firsts = tuple(bracket.rungs[0] for bracket in self.brackets for _ in range(bracket.size))
        return Plan(self.budget.rungs, epochs, epochs, f"brackets: {shown}", firsts=firsts)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns the next unit of the first bracket that has one."""
        first, parts = 0, list[tuple[Bracket, Sequence[Trial]]]()
        for bracket in self.brackets if more else self._brackets(len(trials)):
            parts.append((bracket, trials[first : first + bracket.size]))
            first += bracket.size
        for bracket, members in parts:
            if chosen := cut(members, bracket.rungs):
                return onward(chosen, bracket.next_rung(chosen))
        for bracket, members in parts:
            if unit := bracket.promotion(members, complete := len(members) == bracket.size):
                return unit
            if not complete:
                return Unit(None, 0, bracket.rungs[0])
        return None


def halving(budget: Budget) -> Hyperband:
    """Makes successive halving of all trials."""
    return Hyperband(budget, single=True)
