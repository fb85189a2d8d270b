"""How a Keras model is made from a config: built-in ones, and a user's function of keyword arguments."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from mlflow_hpo.data import Data
from mlflow_hpo.errors import SetupError
from mlflow_hpo.models import BUILDERS, EPOCHS, KERAS_METRICS, ModelInfo, find_model, keyword_defaults
from mlflow_hpo.models.training import compile_model, learning_rate_at, train_defaults
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.trial import Config

BATCH_SIZE = "batch_size"
OF_FIT = (BATCH_SIZE, EPOCHS)  # hyperparameters that are for `fit`, where the builder does not take them
SHAPE = ("shape", "input_shape")  # arguments that are filled in from the data
CLASSES = ("classes", "num_classes", "n_classes")
CHANGEABLE = ("learning_rate", "lr", "momentum", "weight_decay", "dropout", "batch_size")  # parts of names


class Builder(Protocol):
    """Makes and fits the models of one kind."""

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""

    def build(self, config: Config, data: Data | None) -> Any:
        """A compiled model.

        Raises:
            SetupError: it cannot be built for these data.
        """

    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        """Train with `fit(**rows, ...)`, which stands for `model.fit`; what the user's code returned."""

    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        """Keras callbacks of its own."""

    @property
    def has_own_fit(self) -> bool:
        """Whether the user's code decides what is trained on, and what is reported."""


@dataclass(frozen=True)
class BuiltIn:
    """A built-in model: `build(shape, classes, **hyperparameters)`, then compiled for the data."""

    name: str
    has_own_fit = False

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        return find_model(self.name)

    def build(self, config: Config, data: Data | None) -> Any:
        """See `Builder.build`."""
        assert data is not None
        values = self._values(config)
        training = inspect.signature(compile_model).parameters
        own = keyword_defaults(BUILDERS[self.name])
        model = BUILDERS[self.name](data.shape, data.classes, **{k: v for k, v in values.items() if k in own})
        model, variance = (model, 1.0) if data.classes else _scaled(model, data)
        compile_model(model, data.classes, variance, **{k: v for k, v in values.items() if k in training})
        return model

    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        """See `Builder.fit`."""
        return fit(**rows, batch_size=self._values(config)[BATCH_SIZE])

    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        """Its learning-rate schedule."""
        from keras.callbacks import LearningRateScheduler

        values = self._values(config)
        base, shape = values["learning_rate"], values["schedule"]
        return [LearningRateScheduler(lambda epoch: learning_rate_at(epoch, max_epochs, base, shape))]

    def _values(self, config: Config) -> dict[str, Any]:
        return keyword_defaults(BUILDERS[self.name]) | train_defaults() | dict(config)


@dataclass(frozen=True)
class Keywords:
    """A user's `build(units=64, dropout=0.2, ...)` that returns a compiled Keras model.

    Arguments named `shape` or `input_shape`, and `classes` or `num_classes`, are filled in from the data
    where they have no default. Where it does not take `batch_size` and `epochs` itself, these go to `fit`.
    """

    function: Callable[..., Any]
    has_own_fit = False

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        defaults = keyword_defaults(self.function)
        any_name = any(p.kind is p.VAR_KEYWORD for p in self._parameters.values())
        takes = {p for p in self._parameters if p not in self._filled} | {*OF_FIT}
        return ModelInfo(
            name=name,
            defaults=defaults | {BATCH_SIZE: defaults.get(BATCH_SIZE, train_defaults()[BATCH_SIZE])},
            takes=None if any_name else frozenset(takes),
            metric=KERAS_METRICS,
            changeable=changeable(takes),
            epochs_in_config=True,
        )

    def build(self, config: Config, data: Data | None) -> Any:
        """See `Builder.build`."""
        own = {k: v for k, v in config.items() if self._takes(k)}
        return compiled(self.function(**self._from_data(data), **own), self.function.__name__)

    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        """See `Builder.fit`."""
        default = keyword_defaults(self.function).get(BATCH_SIZE, train_defaults()[BATCH_SIZE])
        given = {EPOCHS: config[EPOCHS]} if EPOCHS in config and not self._takes(EPOCHS) else {}
        return fit(**rows, batch_size=config.get(BATCH_SIZE, default), **given)

    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        """None."""
        return []

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @property
    def _filled(self) -> set[str]:
        """Arguments that the data fill in."""
        required = {n for n, p in self._parameters.items() if p.default is p.empty}
        return required & {*SHAPE, *CLASSES}

    def _takes(self, name: str) -> bool:
        parameter = self._parameters.get(name)
        if parameter is None:
            anything = any(p.kind is p.VAR_KEYWORD for p in self._parameters.values())
            return anything and name not in OF_FIT
        return True

    def _from_data(self, data: Data | None) -> dict[str, Any]:
        if self._filled and data is None:
            wanted = ", ".join(sorted(self._filled))
            raise SetupError(f"model {self.function.__name__!r} asks for {wanted}: give it data")
        assert data is not None or not self._filled
        known = dict.fromkeys(self._filled & {*SHAPE}, data.shape) if data else {}
        return known | (dict.fromkeys(self._filled & {*CLASSES}, data.classes) if data else {})


def _scaled(model: Any, data: Data) -> tuple[Any, float]:
    """The model with its answers in the targets' unit, and the targets' variance."""
    from keras.layers import Rescaling

    spread = float(data.train.y.std()) or 1.0
    model.add(Rescaling(spread, float(data.train.y.mean())))
    return model, spread**2


def is_filled(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Whether every argument without a default is one that the data fill in."""
    required = {
        n
        for n, p in parameters.items()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    return required <= {*SHAPE, *CLASSES}


def changeable(names: Any) -> tuple[str, ...]:
    """Those of the hyperparameters that, by their names, may change while a model trains."""
    return tuple(sorted(n for n in names if any(part in n.lower() for part in CHANGEABLE)))


def compiled(model: Any, name: str) -> Any:
    """The model, if it is a compiled Keras model.

    Raises:
        SetupError: it is not.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise SetupError(f"model {name!r} returned {type(model).__name__}: expected a compiled Keras model")
    if not model.compiled:
        raise SetupError(
            f"model {name!r} returned a Keras model that is not compiled: call model.compile(...)"
        )
    return model
