"""What an epoch of an estimator is: a pass over the rows, a share of the rows, or the value of a param."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.sklearn import boosters
from mlflow_hpo.objectives.sklearn.estimators import share, taken, targets, weights

AUTO, NONE, PARTIAL_FIT, SAMPLES = "auto", "none", "partial_fit", "samples"
BATCH_SIZE = "batch_size"
OURS = {f"val_{name}" for name in ("accuracy", "loss", "r2", "rmse", "mae")}  # what we measure of each epoch
ROWS_AT_ONCE = 200  # that `partial_fit` sees, if the config has no batch_size


class Resource(Protocol):
    """Trains an estimator by epochs."""

    def continues(self, estimator: Any) -> bool:
        """Tells whether training goes on from a checkpoint; if not, each epoch fits from nothing."""

    def epochs(self, trial: Handle) -> list[int]:
        """Returns the epochs of a unit at which the estimator is trained and scored."""

    def set_budget(self, estimator: Any, epochs: int) -> None:
        """Sets the param that says how long the estimator trains, if there is one."""

    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> tuple[Any, int]:
        """Trains to an epoch; returns the estimator, and the epoch where its training ended."""

    def note_best(self, estimator: Any, trial: Handle) -> None:
        """Notes the epoch whose model a trained estimator predicts with, if that is not its last."""


class Once(Resource):
    """Fits all rows, whatever the epoch."""

    @override
    def continues(self, estimator: Any) -> bool:
        return False

    @override
    def epochs(self, trial: Handle) -> list[int]:
        return trial.stops

    @override
    def set_budget(self, estimator: Any, epochs: int) -> None:
        pass

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> tuple[Any, int]:
        self.set_budget(estimator, epoch)
        boosters.fit(estimator, data, seed=trial.seed)
        return estimator, epoch

    @override
    def note_best(self, estimator: Any, trial: Handle) -> None:
        pass


@dataclass(frozen=True)
class Param(Once):
    """Fits with a param set to the epoch, such as `n_estimators`."""

    name: str

    @override
    def set_budget(self, estimator: Any, epochs: int) -> None:
        estimator.set_params(**{self.name: epochs})


class Samples(Once):
    """Fits epoch / max_epochs of the rows, stratified."""

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> tuple[Any, int]:
        order = _order(data, trial, epoch)
        rows = share(data.train.y if data.classes else None, order, epoch / trial.max_epochs)
        boosters.fit(estimator, data, rows, seed=trial.seed)
        return estimator, epoch


class PartialFit(Once):
    """Passes over the rows once an epoch."""

    @override
    def continues(self, estimator: Any) -> bool:
        return True

    @override
    def epochs(self, trial: Handle) -> list[int]:
        return list(range(trial.start + 1, trial.epochs + 1))

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> tuple[Any, int]:
        order, y = _order(data, trial, epoch), targets(estimator, data, data.train)
        size = int(trial.config.get(BATCH_SIZE, ROWS_AT_ONCE))
        classes = {"classes": np.unique(y)} if data.classes else {}
        for rows in np.split(order, range(size, len(order), size)):
            counts = weights(estimator, data, rows)
            estimator.partial_fit(taken(data.train.x, rows), y[rows], **classes, **counts)
        return estimator, epoch


@dataclass(frozen=True)
class Rounds(Param):
    """Boosts one round an epoch.

    A booster goes on from its checkpoint if it then equals one that is boosted at once.
    """

    @override
    def continues(self, estimator: Any) -> bool:
        return boosters.repeats(estimator)

    @override
    def epochs(self, trial: Handle) -> list[int]:
        """Returns the rungs; every round if each is to be judged."""
        if rounds := trial.config.get(self.name):
            trial.limit(int(rounds))
        if trial.context.early_stopping or trial.context.at_best:
            return list(range(trial.start + 1, trial.epochs + 1))
        return trial.stops

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> tuple[Any, int]:
        from sklearn.base import clone

        before, done = (
            (estimator, trial.reached) if trial.reached and self.continues(estimator) else (None, 0)
        )
        new = clone(estimator)
        self.set_budget(new, epoch - done)
        boosters.fit(new, data, before=before, watched=True, rounds_are_given=True)
        with suppress(Exception):  # CatBoost's params cannot be changed any more
            self.set_budget(new, epoch)
        for number in range(trial.reached - done, epoch - done):
            values = {
                f"val_{name}": curve[number]
                for name, curve in boosters.curves(new).items()
                if number < len(curve)
            }
            trial.reporter.on_report(done + number + 1, {n: v for n, v in values.items() if n not in OURS})
        return new, done + boosters.rounds_boosted(new, epoch - done)

    @override
    def note_best(self, estimator: Any, trial: Handle) -> None:
        """Notes the best round of a booster that watches for it: a final training boosts no more."""
        metric, reached = trial.context.metric, trial.reached
        if metric is not None and trial.best_epoch is None and boosters.stops_early(estimator):
            loss = metric.loss(trial.progress.value(metric.name, reached))
            trial.progress.best = (min(boosters.best_rounds(estimator), reached), loss)


def resource_of(name: str, estimator: Any) -> Resource:
    """Returns the resource that a setting names; `auto`: a round, or a pass over the rows, if it has one."""
    rounds = boosters.rounds_param(estimator)
    if rounds and name in (AUTO, rounds):
        return Rounds(rounds)
    if name == PARTIAL_FIT or (name == AUTO and hasattr(estimator, PARTIAL_FIT)):
        return PartialFit()
    if name == SAMPLES:
        return Samples()
    return Once() if name in (AUTO, NONE) else Param(name)


def check_resource(resource: Resource, model: str, estimator: Any, params: Mapping[str, Any]) -> None:
    """Checks that an estimator has the resource.

    Raises:
        ConfigError: it does not.
    """
    if isinstance(resource, PartialFit) and not hasattr(estimator, PARTIAL_FIT):
        raise ConfigError(f"resource: model {model!r} has no partial_fit: give samples, or one of its params")
    if isinstance(resource, Rounds):
        return
    if isinstance(resource, Param) and resource.name not in params:
        whole = sorted(k for k, v in params.items() if isinstance(v, int) and not isinstance(v, bool))
        names = ", ".join([PARTIAL_FIT, SAMPLES, *whole])
        raise ConfigError(f"resource: model {model!r} has no param {resource.name!r}: known are {names}")


def _order(data: Data, trial: Handle, epoch: int) -> Any:
    return np.random.default_rng([trial.seed, epoch]).permutation(len(data.train))
