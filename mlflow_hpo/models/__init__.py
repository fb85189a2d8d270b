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
class Model:
    """A model that can be tuned.

    Attributes:
        defaults: its hyperparameters' defaults, as far as they have one.
        takes: the hyperparameters that it takes; None: whatever it is given.
        space_text: its own space, as YAML; empty where it brings none.
        metric: task -> the metric that is optimised where none is named.
        changeable: hyperparameters that may change while it trains.
        has_epochs: whether it can be trained in parts.
        has_resources: whether several things may serve as its epochs.
        needs_data: whether it is trained on `data`.
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
    constants: Mapping[str, str] | None = None

    def baseline(self, space: Space) -> dict[str, Any]:
        """Trial 0: the defaults, and the middle of the space where there is none."""
        return space.completed(self.defaults, {})

    def check(self, space: Space) -> None:
        """Raise ConfigError when the space names a hyperparameter that the model does not take."""
        if self.takes is None:
            return
        if strange := sorted(space.names() - self.takes):
            known = ", ".join(sorted(self.takes)) or "none"
            raise ConfigError(f"model {self.name!r} takes no {strange[0]!r}: it takes {known}")


BUILDERS: Mapping[str, Callable[..., Any]] = {"mlp": mlp.build, "cnn": cnn.build}
KERAS_METRICS = {CLASSIFICATION: "val_accuracy", REGRESSION: "val_loss"}


def own_defaults(build: Callable[..., Any]) -> dict[str, Any]:
    """The keyword arguments of a function that have a default."""
    parameters = inspect.signature(build).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def is_builtin(name: str) -> bool:
    """Whether a model with this name comes with the package."""
    return name in BUILDERS


def find_model(name: str) -> Model:
    """The built-in model with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BUILDERS:
        raise unknown("model", name, (*BUILDERS, "package.module:NAME", "path/to/file.py:NAME"))
    defaults = own_defaults(BUILDERS[name]) | train_defaults()
    return Model(
        name=name,
        defaults=defaults,
        takes=frozenset(defaults),
        space_text=(Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"),
        metric=KERAS_METRICS,
        changeable=("learning_rate", "momentum", "batch_size", "schedule"),
    )


def builtin_metrics(task: str) -> tuple[str, ...]:
    """What the training of a built-in model reports."""
    own = ("loss", "accuracy") if task == CLASSIFICATION else ("loss", "mae")
    return own + tuple(f"val_{name}" for name in own)
