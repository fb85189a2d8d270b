"""What can be tuned, as a driver knows it; and the built-in models.

Nothing here imports a framework until a builder is called, so the driver may read it.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.models import cnn, mlp
from mlflow_hpo.models.training import train_defaults
from mlflow_hpo.space import Space

CLASSIFICATION, REGRESSION = "classification", "regression"
DEFAULT_EPOCHS = 10
EPOCHS = "epochs"  # a hyperparameter of this name says how long a trial trains


@dataclass(frozen=True)
class ModelInfo:
    """A model that can be tuned.

    Attributes:
        defaults: its hyperparameters' defaults, as far as they have one that a space can say.
        takes: the hyperparameters that it takes; None: whatever it is given.
        space_text: its own space, as YAML; empty where it brings none.
        metric: task -> the metric that is optimised where none is named.
        changeable: hyperparameters that may change while it trains.
        has_epochs: whether it can be trained in parts.
        has_resources: whether several things may serve as its epochs.
        needs_data: whether it is trained on `data`.
        limited: whether a hyperparameter named `epochs` says how long it trains; else that is its own affair.
        constants: what each trial of a project's has beside its config.
    """

    name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    takes: frozenset[str] | None = None
    space_text: str = ""
    metric: Mapping[str, str] = field(default_factory=dict)
    changeable: tuple[str, ...] = ()
    has_epochs: bool = True
    has_resources: bool = False
    needs_data: bool = True
    limited: bool = False
    constants: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        plain = {name: _plain(value) for name, value in self.defaults.items()}
        known = {name: value for name, value in plain.items() if _is_plain(value)}
        object.__setattr__(self, "defaults", known)

    def baseline(self, space: Space) -> dict[str, Any]:
        """Trial 0: what the space fixes, the defaults, and the middle of the space where there is none."""
        fixed = space.fixed()
        given = {name: value for name, value in self.defaults.items() if name not in fixed}
        return space.completed(given, self.defaults)

    def check(self, space: Space) -> None:
        """Raise ConfigError when the space names a hyperparameter that the model does not take."""
        if self.takes is None:
            return
        if strange := sorted(space.names() - self.takes):
            known = ", ".join(sorted(self.takes)) or "none"
            raise ConfigError(f"model {self.name!r} takes no {strange[0]!r}: it takes {known}")


def _plain(value: Any) -> Any:
    """A default as a config has it, which is what JSON gives back: lists for tuples, Python's own numbers."""
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value.item() if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0 else value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or type(value) in (bool, int, float, str)


BUILDERS: Mapping[str, Callable[..., Any]] = {"mlp": mlp.build, "cnn": cnn.build}
KERAS_METRICS = {CLASSIFICATION: "val_accuracy", REGRESSION: "val_loss"}


def own_defaults(build: Callable[..., Any]) -> dict[str, Any]:
    """The keyword arguments of a function that have a default."""
    parameters = inspect.signature(build).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def is_builtin(name: str) -> bool:
    """Whether a model with this name comes with the package."""
    return name in BUILDERS


def find_model(name: str) -> ModelInfo:
    """The built-in model with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BUILDERS:
        raise unknown("model", name, (*BUILDERS, "package.module:NAME", "path/to/file.py:NAME"))
    defaults = own_defaults(BUILDERS[name]) | train_defaults()
    return ModelInfo(
        name=name,
        defaults=defaults,
        takes=frozenset(defaults),
        space_text=(Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"),
        metric=KERAS_METRICS,
        changeable=("learning_rate", "momentum", "batch_size", "schedule"),
        limited=True,
    )


def builtin_metrics(task: str) -> tuple[str, ...]:
    """What the training of a built-in model reports."""
    own = ("loss", "accuracy") if task == CLASSIFICATION else ("loss", "mae")
    return own + tuple(f"val_{name}" for name in own)
