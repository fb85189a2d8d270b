"""Describes a model that can be tuned, as far as the driver must know it."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import GRID, Space, nearest, paths_of

DEFAULT_EPOCHS = 10
EPOCHS = "epochs"  # the hyperparameter that may set the length of a trial


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be tuned.

    Attributes:
        defaults: default values of its hyperparameters. Defaults that a config cannot hold are left out.
        takes: names of the hyperparameters it accepts; None if it accepts any.
        space_text: its default space, as YAML; empty if it has none.
        completes_space: whether the default space has what a space that is given does not name.
        metric: task -> the metric that is optimised if the user names none.
        reports: metrics that its training reported when it was tried; empty if it was not.
        changeable: hyperparameters that may change while it trains.
        has_epochs: whether it can be trained in parts.
        has_resources: whether the user can choose what counts as an epoch.
        keeps_best: whether the model of its best epoch is at hand when its training has ended.
        needs_data: whether it is trained on `data`.
        epochs_param: the hyperparameter that sets the trial's length, if there is one.
        usual_epochs: how long a trial is if nothing says it.
        asks: whether it may ask for its hyperparameters as it runs, so that it needs no space.
        constants: params that each trial of a project logs beside its config.
    """

    name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes: frozenset[str] | None = None
    space_text: str = ""
    completes_space: bool = False
    metric: Mapping[str, str] = field(default_factory=dict)
    reports: frozenset[str] = frozenset()
    changeable: tuple[str, ...] = ()
    has_epochs: bool = True
    has_resources: bool = False
    keeps_best: bool = False
    needs_data: bool = True
    epochs_param: str = ""
    usual_epochs: int = DEFAULT_EPOCHS
    asks: bool = False
    constants: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        values = {name: _as_json(value) for name, value in self.defaults.items()}
        defaults = {name: value for name, value in values.items() if _is_json(value)}
        object.__setattr__(self, "defaults", defaults)

    def baseline(self, space: Space) -> dict[str, Any]:
        """Returns the config of trial 0.

        It has the values that the space fixes, then the defaults, then the middle of the space. Where the
        constraints do not allow that, it is the nearest config that they allow, of some.
        """
        fixed = space.fixed()
        defaults = {name: value for name, value in self.defaults.items() if name not in fixed}
        return nearest(space, space.completed(defaults, self.defaults))

    def check(self, space: Space) -> None:
        """Raises ConfigError if the space names a hyperparameter that the model does not accept."""
        if self.takes is None:
            return
        names = space.names()
        outer = {paths_of(space).get(name, (name,))[0] for name in names}
        of_options = {name for name in outer if name.rpartition("__")[0] in names}  # of an estimator in it
        if strange := sorted(outer - self.takes - of_options - {GRID}):
            accepted = ", ".join(sorted(self.takes)) or "none"
            raise ConfigError(f"model {self.name!r} takes no {strange[0]!r}: it takes {accepted}")


def keyword_defaults(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the arguments of a function that have a default, with it."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _as_json(value: Any) -> Any:
    """Turns tuples into lists and NumPy's numbers into Python's: a config read from JSON has those."""
    if isinstance(value, tuple | list):
        return [_as_json(item) for item in value]
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _is_json(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_json, value))
    return value is None or type(value) in (bool, int, float, str)
