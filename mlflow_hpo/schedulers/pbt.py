"""Population-based training (Jaderberg et al. 2017), generation by generation."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import rank
from mlflow_hpo.schedulers.base import Budget, Plan, cut, onward, rests
from mlflow_hpo.trial import State, Trial, Unit


@dataclass(frozen=True)
class PopulationBasedTraining:
    """Every min_epochs, the worst 1/eta of the population end, and copies of the best 1/eta take their place.

    Truncation selection, after all of a generation have got there: the i-th worst is replaced by a new trial
    that starts from the checkpoint of the i-th best with a changed config. The population is as large as
    max_trials allows, copies counted; what it was when the first copy began, it stays. A trial that ended by
    itself is not copied: more training would not make it better.
    """

    budget: Budget

    def __post_init__(self) -> None:
        if self.population < 2:
            steps = len(self.steps)
            raise ConfigError(
                f"scheduler 'pbt' needs max-trials of {steps + 1} at least for {steps} generations of "
                f"{self.budget.min_epochs} epochs, not {self.budget.max_trials}: "
                "give more trials or more min-epochs"
            )

    @property
    def steps(self) -> tuple[int, ...]:
        """The epochs at which the population is compared."""
        whole = range(self.budget.min_epochs, self.budget.max_epochs, self.budget.min_epochs)
        return (*whole, self.budget.max_epochs)

    @property
    def population(self) -> int:
        """The most that can live at once so that all trials, copies included, are at most max_trials."""
        copies = len(self.steps) - 1
        sizes = range(2, self.budget.max_trials + 1)
        return max((n for n in sizes if n + copies * self._share(n) <= self.budget.max_trials), default=0)

    def _share(self, population: int) -> int:
        return max(1, population // self.budget.eta)

    @property
    def plan(self) -> Plan:
        """What it spends is sure, unless trials fail."""
        epochs = self.population * self.budget.max_epochs
        note = f"a population of {self.population}, {self._share(self.population)} replaced at each rung"
        return Plan(self.steps, epochs, epochs, note, fresh=self.population)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        """Returns the next generation of a trial, a new trial, or None if neither can go on now."""
        if chosen := cut(trials, self.steps):
            return onward(chosen, self._after(max(chosen.epochs, chosen.start)))
        living = [t for t in trials if t.source is None][: self.population]
        if more and len(trials) == len(living) < self.population:
            return Unit(None, 0, self.steps[0])
        share = self._share(len(living))
        for step in self.steps:
            if unit := self._toward(living, step):
                return unit
            if any(step not in t.losses and t.state is not State.FAILED for t in living):
                return None
            if step == self.budget.max_epochs:
                return None
            parents, heirs = _selection(living, step, share)
            copies = [t for t in trials if t.source is not None and t.start == step]
            if more and len(copies) < len(parents):
                return Unit(None, step, self._after(step), source=parents[len(copies)].number)
            living = [*heirs, *copies]
        return None

    def _toward(self, living: Sequence[Trial], step: int) -> Unit | None:
        """Returns the unit for a trial that rests before the step."""
        for trial in living:
            if trial.epochs and trial.epochs < step and rests(trial, trial.epochs):
                return onward(trial, step)
        return None

    def _after(self, epochs: int) -> int:
        return next(step for step in self.steps if step > epochs)


def _selection(living: Sequence[Trial], step: int, share: int) -> tuple[list[Trial], list[Trial]]:
    """Returns the trials to copy and those to replace; one that failed is the first to be replaced."""
    alive = rank(living, at=step)
    lost = len(living) - len(alive)
    worst = max(0, min(share, len(alive) // 2) - lost)
    models = [t for t in alive if t.ended_at is None or t.ended_at > step]
    replaced = min(worst + lost, share) if models else 0
    copied = [models[i % len(models)] for i in range(replaced)]
    return copied, alive[: len(alive) - min(worst, replaced)]
