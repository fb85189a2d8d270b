"""The nouns as frozen data: what the deciders see and what crosses to a worker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

Config = Mapping[str, Any]
Results = Mapping[str, Mapping[int, float]]  # metric -> epochs -> loss


class State(StrEnum):
    """The state of a trial or of a study."""

    RUNNING = "running"  # a unit of it is being trained
    PAUSED = "paused"  # a unit ended; the scheduler may promote it
    STOPPED = "stopped"  # the scheduler let it go no further; a study that goes on may promote it after all
    KILLED = "killed"  # a unit was cut from outside; it is to be trained again
    FINISHED = "finished"  # trained for all its epochs, or ended by itself
    FAILED = "failed"


class Dropped(StrEnum):
    """What of a trial was deleted from the artifact store, to save space."""

    NOTHING = ""
    MODELS = "models"
    ALL = "all"  # its checkpoints as well


@dataclass(frozen=True)
class Trial:
    """One configuration being trained.

    Attributes:
        number: its place in the study, from 0 without gaps; 0 is the baseline.
        run_id: its MLflow run.
        results: metric -> epochs trained -> loss (the value, negated if more is better), where units ended
            and at the rungs they passed; if the best value counts, the best until there. The study's first
            metric comes first.
        seconds: wall seconds its units took so far.
        reason: why it is not simply finished, in words for people.
        model_uri: its newest model in the tracking store; empty if it has none.
        start, source: the epoch and the trial whose checkpoint it began from; 0 and None for most trials.
        ended_itself: its training ended before all epochs, and more would not make it better.
        attempts: how many workers died with the unit that is to be given next.
        best_epoch: the epoch whose value counts and whose weights its model has; None: always the last.
        dropped: what of it was deleted; without its checkpoint it can go on only from its beginning.
        asked: what its objective asked for as it ran (`space.dump_asked`); empty if a space was given.
        ended_at: the epoch at which it ended, once `extended_to` gave it results beyond.
        violations: epochs -> by how much the study's constraints are broken there, if they are.
    """

    number: int
    run_id: str
    state: State
    config: Config
    results: Results = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    model_uri: str = ""
    start: int = 0
    source: int | None = None
    ended_itself: bool = False
    attempts: int = 0
    best_epoch: int | None = None
    dropped: Dropped = Dropped.NOTHING
    asked: str = ""
    ended_at: int | None = None
    violations: Mapping[int, float] = field(default_factory=dict)

    @property
    def losses(self) -> Mapping[int, float]:
        """The losses of the study's first metric, by epochs."""
        return next(iter(self.results.values()), {})

    @property
    def epochs(self) -> int:
        """The epochs trained and recorded."""
        return max(self.losses, default=0)

    @property
    def loss(self) -> float | None:
        """The loss after the last recorded epoch."""
        return self.losses.get(self.epochs)

    def violation(self, at: int | None = None) -> float:
        """Returns by how much it breaks the study's constraints after so many epochs, or at its end."""
        return self.violations.get(self.epochs if at is None else at, 0.0)

    @property
    def model_epochs(self) -> int:
        """The epochs that its model was trained for."""
        return self.best_epoch or self.epochs

    def best_by(self, epoch: int) -> tuple[int, float] | None:
        """Returns the best epoch until this one, and its loss; None if the last value counts."""
        if self.best_epoch is None or epoch not in self.losses:
            return None
        return min(self.best_epoch, epoch), self.losses[epoch]

    @property
    def result_count(self) -> int:
        """The number of results it brought: epochs with a loss, or its failure."""
        return max(len(self.losses), int(self.state is State.FAILED))

    @property
    def is_over(self) -> bool:
        """Tells whether the study has nothing left to train of it."""
        return self.state in (State.STOPPED, State.FINISHED, State.FAILED)

    @property
    def can_go_on(self) -> bool:
        """Tells whether it stands at a checkpoint from which a scheduler may let it go on."""
        return self.state in (State.PAUSED, State.STOPPED) and not self.ended_itself

    def extended_to(self, rungs: Iterable[int]) -> Self:
        """Returns the trial for deciders: one that ended by itself has its last results at later rungs."""
        if not self.ended_itself or self.loss is None:
            return self
        later = [rung for rung in rungs if rung > self.epochs]
        results = {
            metric: {**losses, **dict.fromkeys(later, losses[self.epochs])}
            for metric, losses in self.results.items()
        }
        broken = dict.fromkeys(later, self.violation()) if self.violations else {}
        return replace(self, results=results, ended_at=self.epochs, violations={**self.violations, **broken})


@dataclass(frozen=True)
class Unit:
    """Train a trial from epoch `start` to epoch `stop`.

    Attributes:
        trial: the trial's number; None asks for a new one.
        source: the number of the trial whose checkpoint at `start` it begins from; None begins afresh.
        thresholds: epochs -> loss; at such an epoch the unit ends unless the trial's loss is below.
    """

    trial: int | None
    start: int
    stop: int
    source: int | None = None
    thresholds: Mapping[int, float] = field(default_factory=dict)

    def goes_on(self, epoch: int, loss: float) -> bool:
        """Tells whether the unit trains on after an epoch."""
        return epoch < self.stop and (epoch not in self.thresholds or loss < self.thresholds[epoch])


@dataclass(frozen=True)
class Result:
    """What a unit gives back.

    Attributes:
        values: metric -> epochs -> value, at the end and at every threshold that was passed; also of
            what constraints bound.
        violations: epochs -> by how much the study's constraints are broken there; empty if it has none.
        state: PAUSED, STOPPED (it was ended for good, as it cannot pause), or FINISHED.
        seconds, cpu_seconds: what the unit took.
        peak_memory_bytes: the most resident memory that its process held meanwhile.
        gpu_memory_bytes: GPU memory its process held at the end; None without a GPU.
        model_uri: the model it logged; empty if it logged none.
        ended_itself: training ended before the last epoch, and more would not make it better.
        best_epoch: the epoch whose value counts; None: the last.
        reason: why it ended before its last epoch, in words for people; empty if it did not.
        renamed: metrics whose names the store does not take, with those that they are logged under.
    """

    values: Results
    state: State
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    gpu_memory_bytes: int | None = None
    model_uri: str = ""
    ended_itself: bool = False
    best_epoch: int | None = None
    reason: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    violations: Mapping[int, float] = field(default_factory=dict)


def epochs_text(count: int) -> str:
    """Returns a number of epochs in words."""
    return f"{count} epoch{'' if count == 1 else 's'}"


def derived_seed(*parts: int) -> int:
    """Returns a seed below 2**31 that follows from the parts and from nothing else."""
    from numpy.random import SeedSequence  # here: a worker limits NumPy's threads before it loads NumPy

    return int(SeedSequence(parts).generate_state(1)[0]) % 2**31
