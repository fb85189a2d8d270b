"""Makes Keras models from configs: built-in models, and a user's function of keyword arguments."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.models import BUILDERS, EPOCHS, KERAS_METRICS, ModelInfo, find_model, keyword_defaults
from mlflow_hpo.models.training import compile_model, learning_rate_at, train_defaults
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.trial import Config

BATCH_SIZE = "batch_size"
FIT_ARGUMENTS = (BATCH_SIZE, EPOCHS)  # hyperparameters for `fit`, if the builder does not take them
SHAPE = ("shape", "input_shape")  # arguments that the data fill in
CLASSES = ("classes", "num_classes", "n_classes")
CHANGEABLE = ("learning_rate", "lr", "momentum", "weight_decay", "dropout", "batch_size")  # parts of names


class Builder(Protocol):
    """Makes and fits the models of one kind."""

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """Returns what the driver must know of the model; `name` is how the user named it."""

    def build(self, config: Config, data: Data | None) -> Any:
        """Returns a compiled model.

        Raises:
            SetupError: it cannot be built for these data.
        """

    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        """Trains with `fit(**rows, ...)`, which replaces `model.fit`; returns what the user's code does."""

    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        """Returns Keras callbacks that training needs."""

    @property
    def has_own_fit(self) -> bool:
        """Tells whether the user's code decides what is trained on, and what is reported."""


@dataclass(frozen=True)
class BuiltIn(Builder):
    """Builds a built-in model by `build(shape, classes, **hyperparameters)` and compiles it for the data."""

    name: str
    has_own_fit = False

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        return find_model(self.name)

    @override
    def build(self, config: Config, data: Data | None) -> Any:
        assert data is not None
        _check_single(self.name, data)
        values = self._values(config)
        training = inspect.signature(compile_model).parameters
        names = keyword_defaults(BUILDERS[self.name])
        given = {k: v for k, v in values.items() if k in names}
        model = BUILDERS[self.name](data.shape, data.classes, **given)
        model, variance = (model, 1.0) if data.classes else _scaled(model, data)
        compile_model(model, data.classes, variance, **{k: v for k, v in values.items() if k in training})
        return model

    @override
    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        return fit(**rows, batch_size=self._values(config)[BATCH_SIZE])

    @override
    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        """Returns the learning-rate schedule."""
        from keras.callbacks import LearningRateScheduler

        values = self._values(config)
        base, shape = values["learning_rate"], values["schedule"]
        return [LearningRateScheduler(lambda epoch: learning_rate_at(epoch, max_epochs, base, shape))]

    def _values(self, config: Config) -> dict[str, Any]:
        return keyword_defaults(BUILDERS[self.name]) | train_defaults() | dict(config)


@dataclass(frozen=True)
class Keywords(Builder):
    """Builds a model by a user's `build(units=64, dropout=0.2, ...)`, which returns it compiled.

    The data fill in arguments named `shape` or `input_shape`, and `classes` or `num_classes`, that have no
    default. If it does not take `batch_size` and `epochs` itself, these go to `fit`.
    """

    function: Callable[..., Any]
    has_own_fit = False

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        defaults = keyword_defaults(self.function)
        any_name = any(p.kind is p.VAR_KEYWORD for p in self._parameters.values())
        takes = {p for p in self._parameters if p not in self._filled} | {*FIT_ARGUMENTS}
        return ModelInfo(
            name=name,
            defaults=defaults | {BATCH_SIZE: defaults.get(BATCH_SIZE, train_defaults()[BATCH_SIZE])},
            takes=None if any_name else frozenset(takes),
            metric=KERAS_METRICS,
            changeable=changeable(takes),
            keeps_best=True,
            epochs_param=EPOCHS,
        )

    @override
    def build(self, config: Config, data: Data | None) -> Any:
        given = {k: v for k, v in config.items() if self._takes(k)}
        return compiled(self.function(**self._from_data(data), **given), self.function.__name__)

    @override
    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        given = {EPOCHS: config[EPOCHS]} if EPOCHS in config and not self._takes(EPOCHS) else {}
        return fit(**rows, batch_size=self._batch(config), **given)

    @override
    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        return []

    def _batch(self, config: Config) -> Any:
        default = keyword_defaults(self.function).get(BATCH_SIZE, train_defaults()[BATCH_SIZE])
        return config.get(BATCH_SIZE, default)

    @cached_property
    def _parameters(self) -> Mapping[str, inspect.Parameter]:
        return inspect.signature(self.function).parameters

    @property
    def _filled(self) -> set[str]:
        """The arguments that the data fill in."""
        required = {n for n, p in self._parameters.items() if p.default is p.empty}
        return required & {*SHAPE, *CLASSES}

    def _takes(self, name: str) -> bool:
        parameter = self._parameters.get(name)
        if parameter is None:
            anything = any(p.kind is p.VAR_KEYWORD for p in self._parameters.values())
            return anything and name not in FIT_ARGUMENTS
        return True

    def _from_data(self, data: Data | None) -> dict[str, Any]:
        if self._filled and data is None:
            wanted = ", ".join(sorted(self._filled))
            raise SetupError(f"model {self.function.__name__!r} asks for {wanted}: give it data")
        assert data is not None or not self._filled
        shape = dict.fromkeys(self._filled & {*SHAPE}, data.shape) if data else {}
        return shape | (dict.fromkeys(self._filled & {*CLASSES}, data.classes) if data else {})


def _check_single(name: str, data: Data) -> None:
    """Raises SetupError if a built-in model would have several inputs or values to predict."""
    if is_several(data.train.x):
        raise SetupError(f"model {name!r} takes one input, and the data have {len(data.train.x)}")
    if is_several(data.train.y) or data.train.y.ndim > 1:
        raise SetupError(f"model {name!r} predicts one value, and the data have several for each row")


def _scaled(model: Any, data: Data) -> tuple[Any, float]:
    """Returns the model with its answers in the targets' unit, and the targets' variance."""
    from keras.layers import Rescaling

    spread = float(data.train.y.std()) or 1.0
    model.add(Rescaling(spread, float(data.train.y.mean())))
    return model, spread**2


def is_filled(parameters: Mapping[str, inspect.Parameter]) -> bool:
    """Tells whether every argument without a default is one that the data fill in."""
    required = {
        n
        for n, p in parameters.items()
        if p.default is p.empty and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
    }
    return required <= {*SHAPE, *CLASSES}


def changeable(names: Any) -> tuple[str, ...]:
    """Returns the hyperparameters that, by their names, may change while a model trains."""
    return tuple(sorted(n for n in names if any(part in n.lower() for part in CHANGEABLE)))


def compiled(model: Any, name: str) -> Any:
    """Returns the model, if it is a compiled Keras model.

    Raises:
        TrialError: it is not.
    """
    import keras

    if not isinstance(model, keras.Model):
        raise TrialError(f"model {name!r} returned {type(model).__name__}: expected a compiled Keras model")
    if not model.compiled:
        raise TrialError(
            f"model {name!r} returned a Keras model that is not compiled: call model.compile(...)"
        )
    return model
