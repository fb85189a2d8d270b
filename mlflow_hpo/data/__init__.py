"""Data sets in three parts, with a digest: built-in ones, tables, arrays, images, a user's functions."""

from mlflow_hpo.data.base import CLASSIFICATION, REGRESSION, Data, DataSpec, Part, Roles, digest
from mlflow_hpo.data.load import check_data, load_data, made_splits
from mlflow_hpo.data.sources.given import save_data
from mlflow_hpo.data.sources.named import is_builtin
from mlflow_hpo.data.sources.tracked import is_mlflows
from mlflow_hpo.data.split import folds, whole

__all__ = [
    "CLASSIFICATION",
    "REGRESSION",
    "Data",
    "DataSpec",
    "Part",
    "Roles",
    "check_data",
    "digest",
    "folds",
    "is_builtin",
    "is_mlflows",
    "load_data",
    "made_splits",
    "save_data",
    "whole",
]
