"""Trains one config several times within a trial: on the folds of a cross-validation, with several seeds."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from statistics import fmean, median, pstdev
from typing import Any

from typing_extensions import override

from mlflow_hpo.data import Data, folds
from mlflow_hpo.errors import SetupError
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.reporter import Reporter, SilentReporter
from mlflow_hpo.space import Asked
from mlflow_hpo.trial import derived_seed

FILE = "member.json"
SPREAD = "_std"  # after a metric's name: its standard deviation over the members


@dataclass(frozen=True)
class Repeated(Objective):
    """Trains folds x repeats members, from rung to rung, and reports their mean.

    Each member's curves go under its name, as `fold_1/val_loss` or `repeat_2/loss`. Early stopping ends each
    member for itself.

    Attributes:
        seed: the seed that the folds are drawn with.
    """

    inner: Objective
    folds: int
    repeats: int
    seed: int

    @property
    @override
    def packages(self) -> tuple[str, ...]:
        return self.inner.packages

    @override
    def warm_up(self) -> None:
        self.inner.warm_up()

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        return self.inner.describe(name, data)

    @override
    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Tries the config on the first fold."""
        first = replace(trial.context, data=self._folds(trial.data)[0])
        return self.inner.dry_run(replace(trial, context=first))

    @override
    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        return self.inner.evaluate(load, data)

    @override
    def train(self, trial: Handle) -> None:
        members = self._members(trial)
        trial.progress.best = None  # the members have theirs
        trial = replace(trial, context=replace(trial.context, early_stopping=None, at_best=False))
        trained = trial.start
        for stop in trial.stops:
            for member in members:
                member.advance(stop)
            reached = max(member.reached for member in members)
            shared = [
                e for e in range(trained + 1, reached + 1) if all(member.knows(e) for member in members)
            ]
            goes_on = [_report(trial, members, epoch) for epoch in shared]
            trained = reached
            if all(member.ended_itself for member in members):
                reasons = {member.reason for member in members}
                trial.progress.end(reasons.pop() if len(reasons) == 1 else "all its members ended")
            if trial.progress.ended_itself or not all(goes_on):
                break
        trial.progress.model_uri = members[0].model_uri
        if epochs := [member.best[0] for member in members if member.best]:
            trial.progress.best = (
                round(median(epochs)),
                fmean(member.best[1] for member in members if member.best),
            )

    def _folds(self, data: Data | None) -> list[Data | None]:
        if self.folds == 1:
            return [data]
        if data is None:
            raise SetupError(f"folds: {self.folds} folds need data: name a data set")
        return [*_folds(data, self.folds, self.seed)]

    def _members(self, trial: Handle) -> list["_Member"]:
        trainings = [
            (data, "_".join(_labels(fold, self.folds, repeat, self.repeats)))
            for fold, data in enumerate(self._folds(trial.data), 1)
            for repeat in range(1, self.repeats + 1)
        ]
        return [
            _Member(self.inner, trial, index, data, label) for index, (data, label) in enumerate(trainings)
        ]


@dataclass
class _Member:
    """One training among several; goes from rung to rung with the others."""

    objective: Objective
    trial: Handle
    index: int
    data: Data | None
    label: str
    metrics: dict[int, Mapping[str, float]] = field(default_factory=dict)
    counted: dict[int, float] = field(default_factory=dict)
    best: tuple[int, float] | None = None
    reached: int = 0
    ended_itself: bool = False
    reason: str = ""
    model_uri: str = ""

    def __post_init__(self) -> None:
        self._folder.mkdir(exist_ok=True)
        if self._file.exists():
            state = json.loads(self._file.read_text())
            self.reached, self.ended_itself, self.reason = (state[k] for k in ("reached", "ended", "reason"))
            self.metrics = {self.reached: state["last"]}
            self.counted = {self.reached: state["counted"]}
            is_copy = self.trial.context.source_id != self.trial.context.run_id
            self.best = (
                None if is_copy or state["best"] is None else (int(state["best"][0]), state["best"][1])
            )

    def advance(self, stop: int) -> None:
        """Trains to epoch `stop`, unless this member has ended or is there."""
        if self.ended_itself or self.reached >= stop:
            return
        handle = self._handle(stop)
        self.objective.train(handle)
        self.metrics |= handle.progress.reported
        self.counted |= handle.progress.counted
        self.best = handle.progress.best
        self.reached, self.ended_itself, self.reason = handle.reached, handle.ended_itself, handle.reason
        self.model_uri = handle.progress.model_uri or self.model_uri
        state = {"reached": self.reached, "ended": self.ended_itself, "reason": self.reason}
        last = {"last": dict(self.metrics[self.reached]), "counted": self.counted.get(self.reached)}
        self._file.write_text(json.dumps(state | last | {"best": self.best}))

    def knows(self, epoch: int) -> bool:
        """Tells whether its metrics at an epoch are known: not every objective reports each epoch."""
        return epoch in self.metrics or epoch > max(self.metrics)

    def at(self, epoch: int) -> Mapping[str, float]:
        """Returns its metrics at an epoch; the last ones if it ended before."""
        return self.metrics[min(epoch, max(self.metrics))]

    def value(self, epoch: int) -> float | None:
        """Returns the value that counts at an epoch; the last one if it ended before."""
        return self.counted[min(epoch, max(self.counted))] if self.counted else None

    @property
    def _folder(self) -> Path:
        return self.trial.checkpoint / self.label

    @property
    def _file(self) -> Path:
        return self._folder / FILE

    def _handle(self, stop: int) -> Handle:
        unit = self.trial.context
        source = unit.source_id if self.reached == unit.start else unit.run_id
        context = replace(
            unit,
            seed=derived_seed(unit.seed, self.index),
            start=self.reached,
            epochs=stop,
            data=self.data,
            folder=self._folder,
            rungs=(),
            best=self.best,
            run_id=f"{unit.run_id}/{self.label}",
            source_id=None if source is None else f"{source}/{self.label}",
        )
        return Handle(context, _MemberReporter(self.trial.reporter, self.label, self.index == 0))


@dataclass(frozen=True)
class _MemberReporter(SilentReporter):
    """Reports a member's metrics under its name; only the first member's model and cost are kept."""

    trial: Reporter
    label: str
    is_first: bool

    @override
    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.trial.on_report(epoch, {f"{self.label}/{name}": value for name, value in metrics.items()})

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        return self.trial.on_model(flavor, model, epochs, **options) if self.is_first else ""

    @override
    def logged_models(self) -> dict[str, int]:
        return self.trial.logged_models() if self.is_first else {}

    @override
    def on_ask(self, asked: Asked) -> None:
        self.trial.on_ask(asked)

    @override
    def on_attribute(self, key: str, value: str) -> None:
        self.trial.on_attribute(key, value)

    @override
    def on_cost(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if self.is_first:
            self.trial.on_cost(epoch, metrics)


def _report(trial: Handle, members: list[_Member], epoch: int) -> bool:
    """Reports the means of an epoch; the mean of the values that count counts. Returns whether to go on."""
    values = [value for member in members if (value := member.value(epoch)) is not None]
    counts = fmean(values) if len(values) == len(members) else None
    return trial.judge(epoch, trial.show(epoch, _means(members, epoch)), counts)


def _means(members: list[_Member], epoch: int) -> dict[str, float]:
    metrics = [member.at(epoch) for member in members]
    shared = [name for name in metrics[0] if all(name in values for values in metrics)]
    columns = {name: [values[name] for values in metrics] for name in shared}
    spread = {name + SPREAD: pstdev(column) for name, column in columns.items()}
    return {name: fmean(column) for name, column in columns.items()} | spread


def _labels(fold: int, folds_: int, repeat: int, repeats: int) -> list[str]:
    return [f"fold_{fold}"] * (folds_ > 1) + [f"repeat_{repeat}"] * (repeats > 1)


@lru_cache(maxsize=1)
def _folds(data: Data, count: int, seed: int) -> tuple[Data, ...]:
    return tuple(folds(data, count, seed))
