"""A Keras model behind the preprocessing of its table: takes raw rows.

MLflow keeps this file with the model and runs it when that is loaded: it imports nothing of this package.
"""

from typing import Any

import mlflow
import pandas as pd


class RawRows(mlflow.pyfunc.PythonModel):  # type: ignore[misc, name-defined]
    """Preprocesses rows, then predicts."""

    def load_context(self, context: Any) -> None:
        """Load both parts."""
        import joblib
        import keras

        self.preprocess = joblib.load(context.artifacts["preprocess"])
        self.model = keras.saving.load_model(context.artifacts["model"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        """Predictions for a DataFrame of raw rows."""
        return self.model.predict(self.preprocess.transform(model_input), verbose=0)


mlflow.models.set_model(RawRows())
