"""Data sets: named ones, tables, arrays, images and a user's own, in three parts, with a digest."""

from mlflow_hpo.data.base import CLASSIFICATION, REGRESSION, Data, DataSpec, Part
from mlflow_hpo.data.load import check_data, load_data
from mlflow_hpo.data.resample import folds, whole
from mlflow_hpo.data.sources.given import GIVEN, save_given
from mlflow_hpo.data.sources.named import is_builtin

__all__ = [
    "CLASSIFICATION",
    "GIVEN",
    "REGRESSION",
    "Data",
    "DataSpec",
    "Part",
    "check_data",
    "folds",
    "is_builtin",
    "load_data",
    "save_given",
    "whole",
]
