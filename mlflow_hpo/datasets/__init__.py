"""Data sets: named ones, tables, arrays, images and a user's own, in three parts, with a digest."""

from mlflow_hpo.datasets.base import Data, DataSpec, Part
from mlflow_hpo.datasets.given import GIVEN, save_given
from mlflow_hpo.datasets.load import check_data, load_data
from mlflow_hpo.datasets.named import is_builtin
from mlflow_hpo.datasets.resample import folds, whole

__all__ = [
    "GIVEN",
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
