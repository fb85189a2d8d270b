"""Estimators and Pipelines of scikit-learn, and of libraries with the same interface."""

from mlflow_hpo.objectives.sklearn.estimators import is_estimator
from mlflow_hpo.objectives.sklearn.objective import SklearnObjective
from mlflow_hpo.objectives.sklearn.scorers import (
    NO_SCORER,
    MetricScorer,
    is_scorer,
    name_of,
    scorers_like,
    sign_of,
    takes_estimator,
)

__all__ = [
    "NO_SCORER",
    "MetricScorer",
    "SklearnObjective",
    "is_estimator",
    "is_scorer",
    "name_of",
    "scorers_like",
    "sign_of",
    "takes_estimator",
]
