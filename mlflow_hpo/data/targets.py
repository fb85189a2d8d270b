"""Turns raw targets into the numbers of classes, or into values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_hpo.data.base import AUTO, CLASSIFICATION, REGRESSION, Array
from mlflow_hpo.data.numbers import as_array, as_floats
from mlflow_hpo.data.structure import each, is_several, is_table, members, shape_of
from mlflow_hpo.data.weights import class_name
from mlflow_hpo.errors import DataError

MOST_CLASSES = 20  # distinct whole numbers that still count as classes if the task is `auto`


def as_targets(y: Any, part: str, task: str) -> Any:
    """Returns a value for each row, or several: an array of more dimensions, or a dict or a tuple of arrays.

    One-hot rows become the numbers of their classes, unless they are values of a regression.

    Raises:
        DataError: a value is missing or infinite, or what is no single value is no number.
    """
    return each(lambda member: _as_array(member, part, REGRESSION if is_several(y) else task), y)


def _as_array(y: Any, part: str, task: str) -> Array:
    if is_table(y) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    array = as_array(y, part, "y")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if task != REGRESSION and _is_one_hot(array):
        array = array.argmax(axis=1)
    if array.ndim > 1 and array.dtype.kind not in "biuf":
        raise DataError(
            f"{part} part: y has shape {array.shape} and holds no numbers: "
            "expected one value for each row, or numbers (scikit-learn's OrdinalEncoder makes some)"
        )
    _check_complete(array, part)
    return array if array.ndim == 1 else as_floats(array)


def _is_one_hot(array: Array) -> bool:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        return False
    return bool(np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all())


def _check_complete(y: Array, part: str) -> None:
    import pandas as pd

    missing = pd.isna(y) | (np.isinf(y) if y.dtype.kind == "f" else False)
    if np.any(missing):
        count = int(np.asarray(missing).any(axis=tuple(range(1, y.ndim))).sum())
        raise DataError(
            f"{part} part: the target is missing or not finite in {count} of {len(y)} rows: leave them out"
        )


def numbered(ys: Sequence[Any], task: str) -> tuple[list[Any], tuple[str, ...], int]:
    """Numbers the classes of all parts together, in sorted order. Several targets are values.

    Args:
        ys: targets of each part.
        task: classification, regression, or auto to infer it.

    Returns:
        The targets of each part as int64 classes or float32 values, the names of the classes, and the
        number of classes: see `Data`.

    Raises:
        DataError: there is only one class, or a regression's target is not a number.
    """
    if len({str(each(np.ndim, y)) for y in ys}) > 1 or len({str(shape_of(y)) for y in ys}) > 1:
        raise DataError("y has another shape in one part than in another")
    if is_several(ys[0]):
        columns = [_member_numbers(same) for same in zip(*map(members, ys), strict=True)]
        return (
            [_with_members(y, column) for y, column in zip(ys, zip(*columns, strict=True), strict=True)],
            (),
            0,
        )
    return (list(ys), (), 0) if ys[0].ndim > 1 else _numbered(ys, task)


def _with_members(y: Any, values: Sequence[Array]) -> Any:
    """Returns several targets with other arrays in their places."""
    return dict(zip(sorted(y), values, strict=True)) if isinstance(y, dict) else tuple(values)


def _member_numbers(ys: Sequence[Array]) -> list[Array]:
    """Returns one of several targets as numbers: numbers stay what they are, words become classes."""
    kind = np.result_type(*ys).kind
    if kind not in "biuf":
        return _numbered(ys, CLASSIFICATION)[0]
    return [y.astype(np.float32 if kind == "f" else np.int64) for y in ys]


def _numbered(ys: Sequence[Array], task: str) -> tuple[list[Array], tuple[str, ...], int]:
    import pandas as pd

    y = pd.Series(np.concatenate([_plain(part) for part in ys])).infer_objects()
    if pd.api.types.infer_dtype(y) == "decimal":
        y = y.astype("float64")
    cuts = np.cumsum([len(part) for part in ys])[:-1]
    if (_inferred_task(y) if task == AUTO else task) == REGRESSION:
        return np.split(_values(y), cuts), (), 0
    numbers, classes = pd.factorize(y, sort=True)
    if len(classes) < 2:
        raise DataError(f"the target has one class only, {class_name(classes[0])!r}")
    labels = tuple(map(class_name, classes))
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
