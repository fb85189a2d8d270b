"""Other cuts of a data set that is loaded: folds for cross-validation, all of it for a last training."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from mlflow_hpo.data.base import Data, Part, digest
from mlflow_hpo.data.split import classes_of, smallest_class
from mlflow_hpo.errors import DataError


@lru_cache(maxsize=1)
def folds(data: Data, k: int, seed: int) -> list[Data]:
    """Cut train and validation into k folds, stratified by class; kept for the next call.

    Args:
        k: how many, from 2.

    Returns:
        The data k times, each with another fold as its validation part; the test part stays as it was.

    Raises:
        DataError: there are more folds than rows, or than rows of a class.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = data.train.and_then(data.validation)
    kinds = classes_of(rows.y)
    if not 2 <= k <= len(rows):
        raise DataError(f"{k} folds of {len(rows)} rows: expected from 2 to as many as there are rows")
    if kinds is not None:
        smallest_class(kinds, data.labels, k, f"{k} folds cannot be cut")
    cutter = (KFold if kinds is None else StratifiedKFold)(k, shuffle=True, random_state=seed)
    return [
        _cut(data, rows.rows(train), rows.rows(held))
        for train, held in cutter.split(np.empty(len(rows)), kinds)
    ]


@lru_cache(maxsize=1)
def whole(data: Data) -> Data:
    """The data with train and validation as one part to train on; the validation part has no rows."""
    rows = data.train.and_then(data.validation)
    return _cut(data, rows, rows.rows(slice(0)))


def _cut(data: Data, train: Part, validation: Part) -> Data:
    seen = digest(train, validation, data.test)
    return replace(data, digest=seen, train=train, validation=validation)
