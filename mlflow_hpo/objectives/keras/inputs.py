"""Tables as Keras models take them: made numbers, or as they are if the model preprocesses them itself."""

from contextlib import suppress
from typing import Any

from mlflow_hpo.data import Data
from mlflow_hpo.data.base import AUTO
from mlflow_hpo.data.preprocess import ModelInputs, as_columns, as_they_are, model_inputs
from mlflow_hpo.objectives.keras.builders import Builder, BuiltIn
from mlflow_hpo.objectives.keras.internals import layers_of
from mlflow_hpo.trial import Config

OF_STRINGS = ("TextVectorization", "StringLookup", "Hashing")  # layers
OF_RAW_NUMBERS = ("Normalization", "Discretization", "IntegerLookup")  # they know the columns' values
MOST_KNOWN = 8

Names = tuple[str, ...] | None  # of the columns that a model takes one by one; () are all, as one array
_known: dict[tuple[Builder, tuple[str, ...]], Names] = {}


def inputs_for(builder: Builder, config: Config, data: Data | None, preprocess: str) -> ModelInputs:
    """Returns the data as the models of a builder take them, which a model of the config tells.

    Args:
        preprocess: see `model_inputs`.
    """
    if data is None or not data.is_table or preprocess != AUTO or isinstance(builder, BuiltIn):
        return model_inputs(data, preprocess)
    names = _taken(builder, config, data)
    if names is None:
        return model_inputs(data, preprocess)
    return as_columns(data, names) if names else as_they_are(data)


def _taken(builder: Builder, config: Config, data: Data) -> Names:
    columns = tuple(data.train.x.columns)
    if (builder, columns) not in _known:
        with suppress(Exception):  # said when the model is built to be trained
            while len(_known) >= MOST_KNOWN:
                _known.pop(next(iter(_known)))
            model = builder.build(config, model_inputs(data, AUTO).data)
            _known[builder, columns] = _names(model, data)
    return _known.get((builder, columns))


def _names(model: Any, data: Data) -> Names:
    columns = list(data.train.x.columns)
    inputs = input_names(model)
    if inputs and set(inputs) <= set(columns) and (len(inputs) > 1 or len(columns) == 1):
        return tuple(inputs)
    if len(columns) == 1 and _takes_strings(model):
        return tuple(columns)
    kinds = {type(layer).__name__ for layer in layers_of(model)}
    return () if kinds & {*OF_RAW_NUMBERS} and _all_numbers(data) else None


def _takes_strings(model: Any) -> bool:
    if inputs := getattr(model, "inputs", None):
        return len(inputs) == 1 and inputs[0].dtype == "string"
    layers = getattr(model, "layers", [])
    return bool(layers) and type(layers[0]).__name__ in OF_STRINGS


def _all_numbers(data: Data) -> bool:
    from pandas.api.types import is_numeric_dtype

    return all(map(is_numeric_dtype, data.train.x.dtypes))


def input_names(model: Any) -> list[str]:
    """Returns what a functional model, once it is loaded, calls its inputs: as their layers."""
    import keras

    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)]
    names = {id(layer.output): layer.name for layer in layers}
    return [names[id(tensor)] for tensor in getattr(model, "inputs", None) or [] if id(tensor) in names]
