"""Serves a Keras model behind the preprocessing of its table, or with several inputs or outputs.

MLflow keeps this file with the model and runs it when that is loaded: it imports nothing of this package.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd


class RawRows(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Preprocesses rows, then predicts."""

    def load_context(self, context: Any) -> None:
        """Loads both parts; the model is a file of Keras's, or a folder with its graph."""
        import joblib

        self.preprocess = joblib.load(context.artifacts["preprocess"])
        self.answer = _loaded(context.artifacts["model"])
        outputs = context.model_config.get("outputs", []) if context.model_config else []
        self.outputs: list[str] = list(outputs)

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Predictions for a DataFrame of raw rows; those of several outputs by their names."""
        return _arrays(self.answer(_prepared(self.preprocess, model_input)), self.outputs)


class Several:
    """Takes and answers dicts of arrays, where MLflow's own wrapper would need a single array."""

    def __init__(self, wrapped: Any) -> None:
        self._wrapped = wrapped

    def get_raw_model(self) -> Any:
        """Returns the Keras model."""
        return self._wrapped.get_raw_model()

    def predict(self, data: Any, params: Any = None) -> Any:
        """Predictions; those of several outputs by their names."""
        rows = data.to_numpy() if isinstance(data, pd.DataFrame) else data
        call, signature = self._wrapped.get_model_call_method(), self._wrapped.signature
        if not self._wrapped.save_exported_model:
            answers = call(rows, verbose=0)
        elif isinstance(rows, dict):  # a graph takes them one by one
            answers = call(*(rows[name] for name in signature.inputs.input_names()))
        else:
            answers = call(rows)
        return _arrays(answers, signature.outputs.input_names())


def _load_pyfunc(path: str) -> Several:
    """Loads a model that was saved by MLflow's Keras flavor: MLflow calls this."""
    from mlflow.keras import load

    return Several(load._load_pyfunc(path))


def _arrays(answers: Any, names: list[str]) -> Any:
    """Returns an answer as an array, or several as a dict of arrays."""
    if isinstance(answers, list | tuple):
        answers = dict(zip(names, answers, strict=True))
    if isinstance(answers, dict):
        return {name: np.asarray(answer) for name, answer in answers.items()}
    return np.asarray(answers)


def _prepared(preprocess: Any, table: pd.DataFrame) -> Any:
    """Returns rows as the model takes them; where each column is an input, a transformer is kept for each."""
    if not isinstance(preprocess, dict):
        return _tensor(preprocess.transform(table))
    return {name: _tensor(one.transform(table[[name]])) for name, one in preprocess.items()}


def _loaded(path: str) -> Callable[[Any], Any]:
    if Path(path).is_dir():
        import tensorflow as tf

        graph = tf.saved_model.load(path)
        return lambda rows: graph.serve(*(rows.values() if isinstance(rows, dict) else [rows]))
    import keras

    model = keras.saving.load_model(path)
    return lambda rows: model.predict(rows, verbose=0)


def _tensor(rows: Any) -> Any:
    """Returns an array as the model takes it; Keras makes no tensors of strings."""
    import tensorflow as tf

    return tf.constant(rows, tf.float32 if rows.dtype.kind == "f" else None)


mlflow.models.set_model(RawRows())
