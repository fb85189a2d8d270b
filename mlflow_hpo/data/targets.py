"""Turns raw targets into the numbers of classes, or into values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_hpo.data.base import AUTO, CLASSIFICATION, REGRESSION, Array, is_table
from mlflow_hpo.errors import DataError, one_line

MOST_CLASSES = 20  # distinct whole numbers that still count as classes if the task is `auto`


def as_array(values: Any, part: str, what: str) -> Array:
    """Converts values to an array with one entry for each row.

    Args:
        part: name of the part, for errors.
        what: `x` or `y`, for errors.

    Raises:
        DataError: they are not such an array.
    """
    try:
        array = np.asarray(values)
    except Exception as error:  # arrays of a framework may raise anything, as when they are on a GPU
        raise DataError(f"{part} part: {what} is no array: {one_line(error)}") from None
    if array.ndim == 0:
        raise DataError(f"{part} part: {what} is a {type(values).__name__}: expected a value for each row")
    return array


def as_targets(y: Any, part: str) -> Array:
    """Returns one value for each row. One-hot rows become the numbers of their classes.

    Raises:
        DataError: they have another shape, or a value is missing or infinite.
    """
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
    _check_complete(array, part)
    return array


def _is_one_hot(array: Array) -> bool:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        return False
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _check_complete(y: Array, part: str) -> None:
    import pandas as pd

    missing = pd.isna(y) | (np.isinf(y) if y.dtype.kind == "f" else False)
    if missing.any():
        count = int(missing.sum())
        raise DataError(
            f"{part} part: the target is missing or not finite in {count} of {len(y)} rows: leave them out"
        )


def numbered(ys: Sequence[Array], task: str) -> tuple[list[Array], tuple[str, ...], int]:
    """Numbers the classes of all parts together, in sorted order.

    Args:
        ys: targets of each part.
        task: classification, regression, or auto to infer it.

    Returns:
        The targets of each part as int64 classes or float32 values, the names of the classes, and the
        number of classes: see `Data`.

    Raises:
        DataError: there is only one class, or a regression's target is not a number.
    """
    import pandas as pd

    y = pd.Series(np.concatenate([_plain(part) for part in ys])).infer_objects()
    if pd.api.types.infer_dtype(y) == "decimal":
        y = y.astype("float64")
    cuts = np.cumsum([len(part) for part in ys])[:-1]
    if (_inferred_task(y) if task == AUTO else task) == REGRESSION:
        return np.split(_values(y), cuts), (), 0
    numbers, classes = pd.factorize(y, sort=True)
    if len(classes) < 2:
        raise DataError(f"the target has one class only, {_label(classes[0])!r}")
    labels = tuple(map(_label, classes))
    just_numbers = labels == tuple(map(str, range(len(labels)))) and pd.api.types.is_numeric_dtype(classes)
    return np.split(numbers.astype(np.int64), cuts), () if just_numbers else labels, len(labels)


def _plain(y: Array) -> Array:
    return y if y.dtype.kind in "biuf" else y.astype(object)


def _inferred_task(y: Any) -> str:
    """Takes anything that is not a number, and few whole numbers, for classes."""
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


def _label(value: Any) -> str:
    if isinstance(value, bytes):  # a TensorFlow string
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
