"""A Keras model behind the preprocessing of its table: takes raw rows.

MLflow keeps this file with the model and runs it when that is loaded: it imports nothing of this package.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd


class RawRows(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Preprocesses rows, then predicts."""

    def load_context(self, context: Any) -> None:
        """Loads both parts; the model is a file of Keras's, or a folder with its graph."""
        import joblib

        self.preprocess = joblib.load(context.artifacts["preprocess"])
        self.answer = _loaded(context.artifacts["model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Predictions for a DataFrame of raw rows."""
        return self.answer(self.preprocess.transform(model_input))


def _loaded(path: str) -> Callable[[Any], Any]:
    if Path(path).is_dir():
        import tensorflow as tf

        graph = tf.saved_model.load(path)
        return lambda rows: graph.serve(tf.constant(rows, tf.float32)).numpy()
    import keras

    model = keras.saving.load_model(path)
    return lambda rows: model.predict(rows, verbose=0)


mlflow.models.set_model(RawRows())
