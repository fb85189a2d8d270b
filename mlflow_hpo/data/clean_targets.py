"""Targets as they were found, into the numbers of classes or values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_hpo.data.base import AUTO, CLASSIFICATION, REGRESSION, Array, as_array, is_table
from mlflow_hpo.errors import DataError

MOST_CLASSES = 20  # of whole numbers that count as classes where the task is not said


def targets(y: Any, part: str) -> Array:
    """One value for each row; one-hot rows become the numbers of their classes."""
    if is_table(y) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    array = as_array(y, part, "y")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if _is_one_hot(array):
        array = array.argmax(axis=1)
    if array.ndim != 1:
        raise DataError(
            f"{part} part: y has shape {array.shape}: expected one value for each row, or one-hot rows"
        )
    _complete(array, part)
    return array


def _is_one_hot(array: Array) -> bool:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        return False
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _complete(y: Array, part: str) -> None:
    import pandas as pd

    missing = pd.isna(y) | (np.isinf(y) if y.dtype.kind == "f" else False)
    if missing.any():
        count = int(missing.sum())
        raise DataError(
            f"{part} part: the target is missing or not finite in {count} of {len(y)} rows: leave them out"
        )


def numbered(ys: Sequence[Array], task: str) -> tuple[list[Array], tuple[str, ...], int]:
    """The targets of all parts as int64 classes or float32 values, the classes' names, how many there are."""
    import pandas as pd

    y = pd.Series(np.concatenate([_plain(part) for part in ys])).infer_objects()
    if pd.api.types.infer_dtype(y) == "decimal":
        y = y.astype("float64")
    cuts = np.cumsum([len(part) for part in ys])[:-1]
    if (task if task != AUTO else _task(y)) == REGRESSION:
        return np.split(_values(y), cuts), (), 0
    numbers, kinds = pd.factorize(y, sort=True)
    if len(kinds) < 2:
        raise DataError(f"the target has one class only, {_label(kinds[0])!r}")
    labels = tuple(_label(kind) for kind in kinds)
    just_numbers = labels == tuple(map(str, range(len(kinds)))) and pd.api.types.is_numeric_dtype(kinds)
    return np.split(numbers.astype(np.int64), cuts), () if just_numbers else labels, len(kinds)


def _plain(y: Array) -> Array:
    return y if y.dtype.kind in "biuf" else y.astype(object)


def _task(y: Any) -> str:
    """Classes where the values are no numbers, or few whole ones."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_bool_dtype(y) or not is_numeric_dtype(y):
        return CLASSIFICATION
    few_whole = (y % 1 == 0).all() and y.nunique() <= MOST_CLASSES
    return CLASSIFICATION if few_whole else REGRESSION


def _values(y: Any) -> Array:
    try:
        values: Array = y.to_numpy().astype(np.float32)
        return values
    except (TypeError, ValueError):
        example = next(v for v in y if not isinstance(v, int | float))
        raise DataError(f"the target is no number, such as {example!r}: regression needs numbers") from None


def _label(kind: Any) -> str:
    if isinstance(kind, bytes):  # a string of TensorFlow's
        return kind.decode(errors="replace")
    return str(int(kind)) if isinstance(kind, float) and kind.is_integer() else str(kind)
