"""Builders inside wrappers that make estimators of Keras models: SciKeras's, and `keras.wrappers`'."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.data.split import VALIDATION
from mlflow_hpo.data.structure import count
from mlflow_hpo.data.weights import class_weight_text
from mlflow_hpo.errors import ConfigError, one_line
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.keras.builders import BATCH_SIZE, Keywords
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.trial import Config

MODULES = ("scikeras.wrappers", "keras.src.wrappers.sklearn_wrapper", "keras.wrappers")
COMPILES = ("optimizer", "loss", "metrics")  # what SciKeras compiles a model with that is not compiled
OF_DATA = ("X", "y", "meta", "compile_kwargs")  # arguments that a wrapper fills in
ALL_ROWS = -1  # SciKeras's batch_size for one batch of all


@dataclass(frozen=True)
class Wrapped(Keywords):
    """Builds the models of the function in a wrapper, and trains them as the wrapper says.

    Attributes:
        epochs: to train, if nothing else says how many; None: the wrapper does not say it either.
        class_weight: see `class_weight_text`; or empty.
        given: Keras callbacks.
    """

    epochs: int | None = None
    class_weight: str = ""
    given: tuple[Any, ...] = ()

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        info = super().describe(name, data)
        return info if self.epochs is None else replace(info, usual_epochs=self.epochs)

    @override
    def fit(self, model: Any, config: Config, fit: Fit, rows: Mapping[str, Any]) -> Any:
        is_whole = self._batch(config) == ALL_ROWS and "y" in rows
        return super().fit(model, {**config, BATCH_SIZE: count(rows["y"])} if is_whole else config, fit, rows)


def is_wrapper(target: Any) -> bool:
    """Tells whether it is an estimator that wraps a function that builds a Keras model."""
    return any(c.__module__ in MODULES for c in type(target).__mro__)


def unwrapped(wrapper: Any) -> Wrapped:
    """Returns the function in a wrapper as a builder, with what the wrapper sets as its arguments' defaults.

    Raises:
        ConfigError: there is no function in it, or it sets what the study would not heed.
    """
    build = wrapper.model if wrapper.model is not None else getattr(wrapper, "build_fn", None)
    kind = type(wrapper).__name__
    if not callable(build) or hasattr(build, "compile_from_config"):
        raise ConfigError(f"model: {kind} wraps {build!r:.60}: give it a function that builds a model")
    params = wrapper.get_params(deep=False)
    if (share := _of_fit(params, "validation_split")) not in (None, 0, VALIDATION):
        raise ConfigError(
            f"model: {kind} has validation_split={share}, and a study holds out a fifth of the rows, or what "
            "data=(train, validation, test) or folds say: leave it out"
        )
    epochs = _of_fit(params, "epochs")
    try:
        class_weight = class_weight_text(_of_fit(params, "class_weight")) or ""
    except ValueError as error:
        raise ConfigError(f"model: class_weight of {kind} {error}") from None
    return Wrapped(
        _builder(build, params, kind),
        epochs=None if epochs == _usual(wrapper, "epochs") else epochs,
        class_weight=class_weight,
        given=tuple(_callbacks(wrapper, params)),
    )


def _of_fit(params: Mapping[str, Any], name: str) -> Any:
    """Returns what a wrapper passes to `fit` by a name; None if it does not."""
    routed = params.get(f"fit__{name}", params.get(name))
    return (params.get("fit_kwargs") or {}).get(name, routed)


def _usual(wrapper: Any, name: str) -> Any:
    """Returns the default of a wrapper's argument, which does not show that anybody asked for it."""
    parameter = inspect.signature(type(wrapper).__init__).parameters.get(name)
    return None if parameter is None else parameter.default


def _callbacks(wrapper: Any, params: Mapping[str, Any]) -> list[Any]:
    """Returns a wrapper's callbacks; SciKeras may be given classes, and their arguments as its own params."""
    if hasattr(wrapper, "_initialize_callbacks"):
        try:
            wrapper._initialize_callbacks()
        except TypeError as error:
            raise ConfigError(f"model: callbacks of {type(wrapper).__name__}: {one_line(error)}") from None
        given = wrapper._fit_callbacks
    else:
        given = (params.get("fit_kwargs") or {}).get("callbacks") or []
    given = given if isinstance(given, list | tuple) else [given]
    return [one for some in given for one in (some if isinstance(some, list | tuple) else [some])]


def _builder(build: Any, params: Mapping[str, Any], kind: str) -> Any:
    own = inspect.signature(build).parameters
    wants = [name for name in OF_DATA if name in own]
    arguments = {n: p for n, p in own.items() if n not in OF_DATA and p.kind is not p.VAR_KEYWORD}

    def builder(**given: Any) -> Any:
        shape, classes = given.pop("shape", ()), given.pop("classes", 0)
        given = {name: value for name, value in given.items() if name in arguments}
        filled = _of_data(shape, classes, params)
        model = build(**{name: filled[name] for name in wants}, **given)
        if not getattr(model, "compiled", True) and params.get("loss") is not None:
            model.compile(**filled["compile_kwargs"])
        return model

    builder.__name__ = getattr(build, "__name__", kind)
    builder.__signature__ = inspect.Signature(_parameters(arguments, params, bool(wants)))  # type: ignore[attr-defined]
    return builder


def _parameters(
    arguments: Mapping[str, inspect.Parameter], params: Mapping[str, Any], needs_data: bool
) -> list[inspect.Parameter]:
    """Returns the arguments of the builder: those of the data first, which have no default."""
    fixed = {name.removeprefix("model__"): value for name, value in params.items()}
    fixed |= params.get("model_kwargs") or {}
    batch = _of_fit(params, BATCH_SIZE)
    defaults = {name: fixed.get(name, p.default) for name, p in arguments.items()}
    defaults |= {BATCH_SIZE: batch} if batch else {}
    of_data = ["shape", "classes"] if needs_data else []
    return [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default)
        for name, default in (dict.fromkeys(of_data, inspect.Parameter.empty) | defaults).items()
    ]


def _of_data(shape: Any, classes: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a wrapper tells its function of the data, and how SciKeras would compile the model."""
    import keras

    settings = {n.partition("__")[2]: v for n, v in params.items() if n.startswith("optimizer__")}
    how = {name: params[name] for name in COMPILES if params.get(name) is not None}
    if settings and isinstance(how.get("optimizer"), str):
        how["optimizer"] = type(keras.optimizers.get(how["optimizer"]))(**settings)
    meta = {
        "n_features_in_": prod(shape),
        "X_shape_": (None, *shape),
        "n_classes_": classes,
        "n_outputs_": 1,
        "n_outputs_expected_": 1,
        "target_type_": "continuous" if not classes else "binary" if classes == 2 else "multiclass",
    }
    y = np.eye(classes, dtype=np.float32) if classes else np.zeros(2, np.float32)
    return {"X": np.zeros((2, *shape), np.float32), "y": y, "meta": meta, "compile_kwargs": how}
