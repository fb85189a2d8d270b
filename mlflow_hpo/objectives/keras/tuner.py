"""KerasTuner's hypermodels, unchanged: `build_model(hp)` and `HyperModel` classes with `build` and `fit`."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.errors import ConfigError, StudyError, worded
from mlflow_hpo.models import EPOCHS, KERAS_METRICS, ModelInfo
from mlflow_hpo.objectives.keras.builders import CLASSES, SHAPE, Builder, changeable, compiled
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.objectives.keras.rehearsal import default_metrics, few_rows, in_place_of, rehearsed
from mlflow_hpo.objectives.keras.tuner_space import explored, tuner_space
from mlflow_hpo.space import dump_space
from mlflow_hpo.trial import Config


def is_hypermodel(target: Any) -> bool:
    """Tells whether it is one of KerasTuner's: a class, an instance, or a function of `hp`."""
    if any(
        c.__name__ == "HyperModel"
        for c in getattr(target if inspect.isclass(target) else type(target), "__mro__", ())
    ):
        return True
    if not inspect.isroutine(target):
        return False
    first = next(iter(inspect.signature(target).parameters.values()), None)
    return first is not None and first.default is first.empty and "hp" in (first.name, str(first.annotation))


@contextmanager
def ending_the_study() -> Iterator[None]:
    """Makes KerasTuner's FatalError end the study: any other error of a hypermodel's ends its trial."""
    from keras_tuner.errors import FatalError

    try:
        yield
    except FatalError as error:
        raise StudyError(worded(error, whole=False)) from error


@dataclass(frozen=True)
class Tuner(Builder):
    """Builds a model by a KerasTuner hypermodel."""

    target: Any

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """Finds the space by building models, as KerasTuner does."""
        hyperparameters = explored(lambda hp: self._show(hp, data))
        space = tuner_space(hyperparameters)
        reports = rehearsed(self.hypermodel(data), _hyperparameters({}), data) if self.has_own_fit else ()
        return ModelInfo(
            name=name,
            defaults={hp.name: hp.default for hp in reversed(hyperparameters)},
            takes=frozenset(hp.name for hp in hyperparameters),
            space_text=dump_space(space) if space.names() else "",
            completes_space=True,
            metric=default_metrics(reports) if self.has_own_fit else KERAS_METRICS,
            reports=frozenset(reports),
            keeps_best=True,
            changeable=changeable(space.names()),
            needs_data=not self.has_own_fit,
            epochs_param=EPOCHS,
        )

    @override
    def build(self, config: Config, data: Data | None) -> Any:
        hypermodel = self.hypermodel(data)
        return compiled(self.made(config, data), hypermodel.name or type(hypermodel).__name__)

    @ending_the_study()
    def made(self, config: Config, data: Data | None) -> Any:
        """Returns what the hypermodel builds, whatever that is."""
        return self.hypermodel(data).build(_hyperparameters(config))

    @override
    @ending_the_study()
    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        """Replaces the model's `fit` by ours while the hypermodel's own `fit` runs."""
        if not self.has_own_fit:
            return fit(**rows)
        hypermodel = self.hypermodel(fit.data)
        arrays = [rows[name] for name in ("x", "y") if name in rows]
        named = {k: v for k, v in rows.items() if k not in ("x", "y")}
        fit.requested_epochs = fit.trial.epochs
        ours = {"epochs": fit.requested_epochs, "callbacks": fit.callbacks(), "verbose": 0}
        with in_place_of(model, fit):
            return hypermodel.fit(_hyperparameters(config), model, *arrays, **named, **ours)

    @override
    def callbacks(self, config: Config, max_epochs: int) -> list[Any]:
        return []

    @property
    @override
    def has_own_fit(self) -> bool:
        """Tells whether the hypermodel overrides `fit`."""
        from keras_tuner import HyperModel

        kind: Any = self.target if inspect.isclass(self.target) else type(self.target)
        return issubclass(kind, HyperModel) and kind.fit is not HyperModel.fit

    def hypermodel(self, data: Data | None) -> Any:
        """Returns the hypermodel; a class is made for the data."""
        return _made(self.target, data)

    @ending_the_study()
    def _show(self, hp: Any, data: Data | None) -> None:
        """Lets the user's code ask for hyperparameters, without training."""
        model = self.hypermodel(data).build(hp)
        if not self.has_own_fit:
            return
        rows, named = few_rows(data)
        with in_place_of(model, _stop), suppress(Exception):  # only what it asks for is wanted
            self.hypermodel(data).fit(hp, model, *rows, **named, epochs=1, callbacks=[], verbose=0)


class _StopError(Exception):
    pass


def _stop(*args: Any, **kwargs: Any) -> None:
    raise _StopError


@lru_cache(maxsize=2)
def _made(target: Any, data: Data | None) -> Any:
    """Returns the hypermodel; a class is given the data's shape and classes if it asks for them.

    Raises:
        ConfigError: the class wants more than that.
    """
    import keras_tuner

    if isinstance(target, keras_tuner.HyperModel):
        return target
    if not inspect.isclass(target):
        return _FromFunction(target)
    parameters = inspect.signature(target).parameters
    filled: dict[str, Any] = {n: data.shape for n in SHAPE if n in parameters} if data else {}
    filled |= {n: data.classes for n in CLASSES if n in parameters} if data else {}
    try:
        return target(**filled)
    except TypeError as error:
        raise ConfigError(
            f"hypermodel {target.__name__} cannot be made: {error}; name a function or variable that gives it"
        ) from None


def _FromFunction(build: Callable[[Any], Any]) -> Any:  # noqa: N802 (it is a class, made late: KerasTuner is an extra)
    from keras_tuner import HyperModel

    class FromFunction(HyperModel):  # type: ignore[misc]
        def build(self, hp: Any) -> Any:
            return build(hp)

    return FromFunction(name=getattr(build, "__name__", None))


def _hyperparameters(config: Config) -> Any:
    from keras_tuner import HyperParameters

    hp = HyperParameters()
    hp.values = dict(config)
    return hp
