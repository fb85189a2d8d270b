"""One config trained several times within a trial: on the folds of a cross-validation, with several seeds."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from statistics import fmean, pstdev
from typing import Any

from mlflow_hpo.data import Data, folds
from mlflow_hpo.errors import SetupError
from mlflow_hpo.metric import Metric
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.early_stopping import early_stopping
from mlflow_hpo.objectives.handle import Handle, Objective
from mlflow_hpo.trial import derived_seed

FILE = "member.json"
SPREAD = "_std"  # after a metric's name: its standard deviation over the members


@dataclass(frozen=True)
class Repeated:
    """Trains folds x repeats members, from rung to rung, and reports their mean.

    Each member's curves go under its own name, as `fold_1/val_loss` or `repeat_2/loss`.

    Attributes:
        seed: what the folds are drawn by.
        patience, metric: see `early_stopping`, which ends each member for itself.
    """

    inner: Objective
    folds: int
    repeats: int
    seed: int
    patience: int | None = None
    metric: Metric | None = None

    @property
    def packages(self) -> tuple[str, ...]:
        """See `Objective`."""
        return self.inner.packages

    def warm_up(self) -> None:
        """See `Objective.warm_up`."""
        self.inner.warm_up()

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        return self.inner.describe(name, data)

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """See `Objective.dry_run`: on the first fold."""
        return self.inner.dry_run(replace(trial, data=self._data(trial)[0]))

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """See `Objective.evaluate`."""
        return self.inner.evaluate(load, data)

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        members = [
            _Member(self, trial, i, data, label) for i, (data, label) in enumerate(self._members(trial))
        ]
        at = trial.start
        for stop in (*(rung for rung in trial.rungs if trial.start < rung < trial.epochs), trial.epochs):
            for member in members:
                member.advance(stop)
            reached = max(member.reached for member in members)
            shared = [e for e in range(at + 1, reached + 1) if all(member.knows(e) for member in members)]
            goes_on = [trial.report(e, _means(members, e)) for e in shared]
            at = reached
            if all(member.ended for member in members) and reached < trial.max_epochs:
                trial.ended = (
                    members[0].ended if len({m.ended for m in members}) == 1 else "all its members ended"
                )
            if trial.ended or not all(goes_on):
                break
        trial.model_uri = members[0].model_uri

    def _data(self, trial: Handle) -> list[Data | None]:
        if self.folds == 1:
            return [trial.data]
        if trial.data is None:
            raise SetupError(f"folds: {self.folds} folds need data: name a data set")
        return [*_folds(trial.data, self.folds, self.seed)]

    def _members(self, trial: Handle) -> list[tuple[Data | None, str]]:
        parts = enumerate(self._data(trial), 1)
        return [
            (data, "_".join(_labels(fold, self.folds, repeat, self.repeats)))
            for fold, data in parts
            for repeat in range(1, self.repeats + 1)
        ]


@dataclass
class _Member:
    """One training among several: goes from rung to rung with the others."""

    of: Repeated
    trial: Handle
    index: int
    data: Data | None
    label: str
    known: dict[int, Mapping[str, float]] = field(default_factory=dict)
    reached: int = 0
    ended: str = ""
    model_uri: str = ""

    def __post_init__(self) -> None:
        self._folder = self.trial.checkpoint / self.label
        self._folder.mkdir(exist_ok=True)
        self._file = self._folder / FILE
        if self._file.exists():
            state = json.loads(self._file.read_text())
            self.reached, self.ended = state["reached"], state["ended"]
            self.known = {self.reached: state["last"]}

    def advance(self, stop: int) -> None:
        """Train to epoch `stop`, unless this member is over."""
        if self.ended or self.reached >= stop:
            return
        handle = self._handle(stop)
        self.of.inner.train(handle)
        self.known |= handle.reported
        self.reached, self.ended = handle.reached, handle.over
        self.model_uri = handle.model_uri or self.model_uri
        state = {"reached": self.reached, "ended": self.ended, "last": dict(self.known[self.reached])}
        self._file.write_text(json.dumps(state))

    def knows(self, epoch: int) -> bool:
        """Whether its metrics at an epoch are known: not every objective reports each."""
        return epoch in self.known or epoch > max(self.known)

    def at(self, epoch: int) -> Mapping[str, float]:
        """Its metrics at an epoch; the last ones where it ended before."""
        return self.known[min(epoch, max(self.known))]

    def _handle(self, stop: int) -> Handle:
        trial, name = self.trial, f"{self.trial.run_id}/{self.label}"
        source = trial.source_id if self.reached == trial.start else trial.run_id
        handle = replace(
            trial,
            seed=derived_seed(trial.seed, self.index),
            start=self.reached,
            epochs=stop,
            data=self.data,
            folder=self._folder,
            rungs=(),
            on_report=self._log,
            on_model=self.trial.on_model if self.index == 0 else _no_model,
            on_cost=self.trial.on_cost if self.index == 0 else _no_cost,
            run_id=name,
            source_id=None if source is None else f"{source}/{self.label}",
            reported={},
            model_uri="",
            limited=None,
            ended="",
            stop_epoch=None,
        )
        handle.goes_on = early_stopping(handle, self.of.patience, self.of.metric)
        return handle

    def _log(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.trial.on_report(epoch, {f"{self.label}/{k}": v for k, v in metrics.items()})


def _no_cost(epoch: int, metrics: Mapping[str, float]) -> None:
    """It is that of the first member."""


def _no_model(*args: Any, **kwargs: Any) -> str:
    return ""


def _means(members: list[_Member], epoch: int) -> dict[str, float]:
    every = [member.at(epoch) for member in members]
    shared = [name for name in every[0] if all(name in one for one in every)]
    found = {name: [one[name] for one in every] for name in shared}
    return {k: fmean(v) for k, v in found.items()} | {k + SPREAD: pstdev(v) for k, v in found.items()}


def _labels(fold: int, folds_: int, repeat: int, repeats: int) -> list[str]:
    return [f"fold_{fold}"] * (folds_ > 1) + [f"repeat_{repeat}"] * (repeats > 1)


@lru_cache(maxsize=1)
def _folds(data: Data, count: int, seed: int) -> tuple[Data, ...]:
    return tuple(folds(data, count, seed))
