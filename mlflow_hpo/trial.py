"""The nouns as frozen data: what the deciders see and what crosses to a worker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Self

Config = Mapping[str, Any]
STOPPED = "stopped at epoch"  # how the reason begins of a trial that a scheduler let go no further
STOPPED_PROCESS = "stopped at step"  # likewise, of one that cannot go on


class State(StrEnum):
    """Where a trial stands."""

    RUNNING = "running"  # a unit of it is being trained
    PAUSED = "paused"  # a unit ended; the scheduler may promote it
    KILLED = "killed"  # a unit was cut from outside; it is to be trained again
    FINISHED = "finished"
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
        losses: epochs trained -> loss (what is minimised), where units ended and at the rungs they passed.
        seconds: wall seconds its units took so far.
        reason: why it is not simply finished, in words.
        model_uri: its newest model in the tracking store, empty where there is none.
        start, source: where it began, if not afresh: at that epoch, from that trial's checkpoint.
        complete: whether it ended by itself, before all epochs: more would not make it better.
        dropped: what of it was deleted; without its checkpoint it can go on only from its beginning.
        ended_at: of one that is `extended_to`, the epoch at which it ended.
    """

    number: int
    run_id: str
    state: State
    config: Config
    losses: Mapping[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    reason: str = ""
    model_uri: str = ""
    start: int = 0
    source: int | None = None
    complete: bool = False
    dropped: Dropped = Dropped.NOTHING
    ended_at: int | None = None

    @property
    def epochs(self) -> int:
        """Epochs trained and recorded."""
        return max(self.losses, default=0)

    @property
    def loss(self) -> float | None:
        """The loss after the last recorded epoch."""
        return self.losses.get(self.epochs)

    @property
    def results(self) -> int:
        """How many results it brought: losses, or its failure."""
        return max(len(self.losses), int(self.state is State.FAILED))

    @property
    def over(self) -> bool:
        """Whether nothing is left to train."""
        return self.state in (State.FINISHED, State.FAILED)

    def extended_to(self, rungs: Iterable[int]) -> Self:
        """As deciders see it: one that ended by itself has its last loss at the rungs beyond."""
        if not self.complete or self.loss is None:
            return self
        missed = {rung: self.loss for rung in rungs if rung > self.epochs}
        return replace(self, losses={**self.losses, **missed}, ended_at=self.epochs)


@dataclass(frozen=True)
class Unit:
    """Train a trial from epoch `start` to epoch `stop`.

    Attributes:
        trial: the trial's number; None asks for a new one.
        source: the number of the trial whose checkpoint at `start` it begins from; None begins afresh.
        thresholds: epochs -> loss; at such an epoch the unit ends, unless the trial's loss is below.
    """

    trial: int | None
    start: int
    stop: int
    source: int | None = None
    thresholds: Mapping[int, float] = field(default_factory=dict)

    def goes_on(self, epoch: int, loss: float) -> bool:
        """Whether the unit trains on after an epoch."""
        return epoch < self.stop and (epoch not in self.thresholds or loss < self.thresholds[epoch])


@dataclass(frozen=True)
class Result:
    """What a unit gives back.

    Attributes:
        values: epochs -> the study's metric, at the end and at every bar that was passed.
        seconds, cpu_seconds: what the unit took.
        peak_memory_bytes: the most resident memory that its process held meanwhile.
        gpu_memory_bytes: GPU memory its process held at the end; None without a GPU.
        model_uri: the model it logged, empty where it logged none.
        ended: why the trial ended by itself before its last epoch, in words; empty where it did not.
        stopped: where a trial that cannot rest was ended for good, in words; empty where it was not.
    """

    values: Mapping[int, float]
    seconds: float
    cpu_seconds: float
    peak_memory_bytes: int
    gpu_memory_bytes: int | None = None
    model_uri: str = ""
    ended: str = ""
    stopped: str = ""

    @property
    def epochs(self) -> int:
        """Where it ended; 0 where it trained nothing."""
        return max(self.values, default=0)


def best(trials: Iterable[Trial]) -> Trial | None:
    """The trial with the lowest loss at its last rung; the earlier one where two are equal."""
    scored = [t for t in trials if t.state is not State.FAILED and t.loss is not None]
    return min(scored, key=lambda t: (t.loss, t.number), default=None)
