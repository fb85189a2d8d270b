"""Keras models: built-in ones, a user's builders, KerasTuner's hypermodels."""

from mlflow_hpo.objectives.keras.builders import BuiltIn, Keywords, is_filled
from mlflow_hpo.objectives.keras.objective import KerasObjective
from mlflow_hpo.objectives.keras.tuner import Tuner, is_hypermodel

__all__ = ["BuiltIn", "KerasObjective", "Keywords", "Tuner", "is_filled", "is_hypermodel"]
