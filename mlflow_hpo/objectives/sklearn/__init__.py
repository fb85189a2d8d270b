"""Estimators and Pipelines of scikit-learn, and of libraries with the same interface."""

from mlflow_hpo.objectives.sklearn.estimators import is_estimator
from mlflow_hpo.objectives.sklearn.objective import SklearnObjective

__all__ = ["SklearnObjective", "is_estimator"]
