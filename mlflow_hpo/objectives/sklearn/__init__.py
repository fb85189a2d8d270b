"""Estimators and Pipelines of scikit-learn, and what has their face."""

from mlflow_hpo.objectives.sklearn.estimators import is_estimator
from mlflow_hpo.objectives.sklearn.objective import SklearnObjective

__all__ = ["SklearnObjective", "is_estimator"]
