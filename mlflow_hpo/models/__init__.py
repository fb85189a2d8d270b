"""Built-in models: a builder with keyword defaults (the baseline), and a default space beside it.

Nothing here imports a framework until a builder is called, so the driver may read it.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.models import cnn, mlp
from mlflow_hpo.models.training import train_defaults
from mlflow_hpo.space import Space, parse_space


@dataclass(frozen=True)
class Model:
    """A model that can be tuned.

    Attributes:
        build: `build(shape, classes, **hyperparameters)`, a Keras model that is not compiled yet.
        metrics: what its training reports each epoch.
        changeable: hyperparameters that may change while it trains.
    """

    name: str
    build: Callable[..., Any]
    metrics: tuple[str, ...] = ("loss", "accuracy", "val_loss", "val_accuracy")
    changeable: tuple[str, ...] = ("learning_rate", "momentum", "batch_size", "schedule")

    @property
    def space_text(self) -> str:
        """The default space, as YAML."""
        return (Path(__file__).parent / f"{self.name}.yaml").read_text(encoding="utf-8")

    @property
    def defaults(self) -> dict[str, Any]:
        """Every hyperparameter's default, those of its training included."""
        parameters = inspect.signature(self.build).parameters.values()
        own = {p.name: p.default for p in parameters if p.default is not p.empty}
        return own | train_defaults()

    @property
    def baseline(self) -> dict[str, Any]:
        """The default configuration, as a config of the default space."""
        return parse_space(self.space_text, f"{self.name}.yaml").active(self.defaults)

    def check(self, space: Space) -> None:
        """Raise ConfigError when the space names a hyperparameter that the model does not take."""
        if strange := sorted(space.names() - set(self.defaults)):
            raise ConfigError(
                f"model {self.name!r} takes no {strange[0]!r}: it takes {', '.join(sorted(self.defaults))}"
            )


MODELS: Mapping[str, Model] = {m.name: m for m in (Model("mlp", mlp.build), Model("cnn", cnn.build))}


def find_model(name: str) -> Model:
    """The model with this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]
