"""Tells what of a Keras model can be loaded from a file where the user's code is not."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlflow_hpo.objectives.keras.internals import layers_of


def can_be_loaded(model: Any) -> bool:
    """Tells whether Keras can make the model again, to predict, from its configuration alone."""
    layers = [
        layer for layer in layers_of(model) if not hasattr(layer, "compile")
    ]  # no models: those have losses
    values = [value for layer in layers for value in vars(layer).values()]
    with uncompiled(model):
        return _is_portable(lambda: _serialized(model), values)


def can_be_compiled(model: Any) -> bool:
    """Tells whether Keras can also compile it again as it is compiled."""
    how = getattr(getattr(model, "_compile_config", None), "config", {})
    return _is_portable(model.get_compile_config, list(how.values()))


@contextmanager
def uncompiled(model: Any) -> Iterator[None]:
    """Makes Keras leave out, for a while, how the model is compiled."""
    before, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = before


def _is_portable(config_of: Any, values: list[Any]) -> bool:
    """Tells whether a configuration names only what is Keras's.

    Args:
        config_of: returns the configuration, as Keras serializes it.
        values: the objects that it describes. It names functions without their module, so that one of the
            user's would pass for one of Keras's with the same name.
    """
    functions = [f for value in values for f in _flat(value) if inspect.isfunction(f)]
    if not all(_is_keras(function.__module__) for function in functions):
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a lambda, which it would not load
            return not _names_code(config_of(), {function.__name__ for function in functions})
    except Exception:  # Keras cannot describe it
        return False


def _names_code(config: Any, functions: set[str]) -> bool:
    """Tells whether a serialized configuration names something that is not Keras's."""
    if isinstance(config, list | tuple):
        return any(_names_code(part, functions) for part in config)
    if not isinstance(config, dict):
        return False
    if "class_name" in config and "config" in config:
        kind = config["class_name"]
        if kind == "function":
            return config["config"] not in functions
        is_value = kind.startswith("__") and kind != "__lambda__"  # such as __tensor__
        if kind == "Lambda" or not (is_value or _is_keras(config.get("module"))):
            return True
    return any(_names_code(part, functions) for part in config.values())


def _is_keras(module: Any) -> bool:
    return str(module).split(".")[0] == "keras"


def _serialized(model: Any) -> Any:
    import keras

    return keras.saving.serialize_keras_object(model)


def _flat(value: Any) -> list[Any]:
    if isinstance(value, dict):
        value = list(value.values())
    return [part for each in value for part in _flat(each)] if isinstance(value, list | tuple) else [value]
