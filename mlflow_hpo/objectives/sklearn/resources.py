"""What an epoch of an estimator is: a pass over the rows, a share of the rows, or the value of a param."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.sklearn.estimators import share, taken, targets, weights

AUTO, NONE, PARTIAL_FIT, SAMPLES = "auto", "none", "partial_fit", "samples"
BATCH_SIZE = "batch_size"
ROWS_AT_ONCE = 200  # that `partial_fit` sees, if the config has no batch_size


class Resource(Protocol):
    """Trains an estimator by epochs."""

    continues: bool  # whether training goes on from a checkpoint; if not, each epoch fits from nothing

    def epochs(self, trial: Handle) -> list[int]:
        """Returns the epochs of a unit at which the estimator is trained and scored."""

    def set_budget(self, estimator: Any, epochs: int) -> None:
        """Sets the param that says how long the estimator trains, if there is one."""

    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> None:
        """Trains the estimator to an epoch."""


class Once(Resource):
    """Fits all rows, whatever the epoch."""

    continues = False

    @override
    def epochs(self, trial: Handle) -> list[int]:
        return trial.stops

    @override
    def set_budget(self, estimator: Any, epochs: int) -> None:
        pass

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> None:
        self.set_budget(estimator, epoch)
        estimator.fit(data.train.x, targets(estimator, data, data.train), **weights(estimator, data))


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
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> None:
        order = _order(data, trial, epoch)
        rows = share(data.train.y if data.classes else None, order, epoch / trial.max_epochs)
        x, y = taken(data.train.x, rows), targets(estimator, data, data.train)[rows]
        estimator.fit(x, y, **weights(estimator, data, rows))


class PartialFit(Once):
    """Passes over the rows once an epoch."""

    continues = True

    @override
    def epochs(self, trial: Handle) -> list[int]:
        return list(range(trial.start + 1, trial.epochs + 1))

    @override
    def advance(self, estimator: Any, data: Data, trial: Handle, epoch: int) -> None:
        order, y = _order(data, trial, epoch), targets(estimator, data, data.train)
        size = int(trial.config.get(BATCH_SIZE, ROWS_AT_ONCE))
        classes = {"classes": np.unique(y)} if data.classes else {}
        for rows in np.split(order, range(size, len(order), size)):
            counts = weights(estimator, data, rows)
            estimator.partial_fit(taken(data.train.x, rows), y[rows], **classes, **counts)


def resource_of(name: str, estimator: Any) -> Resource:
    """Returns the resource that a setting names; `auto`: a pass over the rows, if the estimator can."""
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
    if isinstance(resource, Param) and resource.name not in params:
        whole = sorted(k for k, v in params.items() if isinstance(v, int) and not isinstance(v, bool))
        names = ", ".join([PARTIAL_FIT, SAMPLES, *whole])
        raise ConfigError(f"resource: model {model!r} has no param {resource.name!r}: known are {names}")


def _order(data: Data, trial: Handle, epoch: int) -> Any:
    return np.random.default_rng([trial.seed, epoch]).permutation(len(data.train))
