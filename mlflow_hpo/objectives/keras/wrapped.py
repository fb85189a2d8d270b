"""Builders inside wrappers that make estimators of Keras models: SciKeras's, and `keras.wrappers`'."""

import inspect
from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np

from mlflow_hpo.errors import ConfigError

MODULES = ("scikeras.wrappers", "keras.src.wrappers.sklearn_wrapper", "keras.wrappers")
COMPILES = ("optimizer", "loss", "metrics")  # what SciKeras compiles a model with that is not compiled
OF_DATA = ("X", "y", "meta", "compile_kwargs")  # arguments that a wrapper fills in


def is_wrapper(target: Any) -> bool:
    """Tells whether it is an estimator that wraps a function that builds a Keras model."""
    return any(c.__module__ in MODULES for c in type(target).__mro__)


def unwrapped(wrapper: Any) -> Callable[..., Any]:
    """Returns the function in a wrapper as a builder, with what the wrapper sets as its arguments' defaults.

    Raises:
        ConfigError: there is no function in it, or it sets what the study would not heed.
    """
    build = wrapper.model if wrapper.model is not None else getattr(wrapper, "build_fn", None)
    kind = type(wrapper).__name__
    if not callable(build) or hasattr(build, "compile_from_config"):
        raise ConfigError(f"model: {kind} wraps {build!r:.60}: give it a function that builds a model")
    params = wrapper.get_params(deep=False)
    if params.get("callbacks") or (params.get("fit_kwargs") or {}).get("callbacks"):
        raise ConfigError(f"model: the callbacks of {kind} are not heeded: give them as callbacks")
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
    batch = fixed.get("batch_size") or (params.get("fit_kwargs") or {}).get("batch_size")
    defaults = {name: fixed.get(name, p.default) for name, p in arguments.items()}
    defaults |= {"batch_size": batch} if batch else {}
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
