"""Rows as they were found, into inputs that can be trained on and classes or values."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_hpo.datasets.base import AUTO, CLASSIFICATION, REGRESSION, Array, Found, Part, is_table
from mlflow_hpo.errors import DataError

MOST_CLASSES = 20  # of whole numbers that count as classes where the task is not said


def cleaned(found: Found, task: str) -> tuple[dict[str, Part], tuple[str, ...], int]:
    """The parts, the names of the classes and how many there are.

    Raises:
        DataError: inputs or targets are not such as can be trained on.
    """
    xs = {name: _inputs(rows.x, name) for name, rows in found.parts.items()}
    ys = {name: _targets(rows.y, name) for name, rows in found.parts.items()}
    for name, x in xs.items():
        xs[name] = _alike(xs["train"], x, name)
        if len(x) != len(ys[name]):
            raise DataError(f"{name} part: x has {len(x)} rows and y has {len(ys[name])}")
        if not len(x):
            raise DataError(f"{name} part: there are no rows")
    numbers, labels, classes = _numbered(list(ys.values()), task)
    return {name: Part(xs[name], y) for name, y in zip(xs, numbers, strict=True)}, labels, classes


def _inputs(x: Any, part: str) -> Any:
    if hasattr(x, "to_frame") and hasattr(x, "iloc"):  # a Series
        x = x.to_frame()
    return _table(x, part) if is_table(x) else _array(x, part)


def _table(x: Any, part: str) -> Any:
    x = x.rename(columns=str).reset_index(drop=True)
    if not len(x.columns):
        raise DataError(f"{part} part: there is no column beside the target")
    for name in x.columns[x.columns.duplicated()]:
        raise DataError(f"{part} part: there are two columns {name!r}")
    return x


def _array(x: Any, part: str) -> Array:
    """As float32; images of bytes get values from 0 to 1, and a channel where they have none."""
    array = _as_array(x, part, "x")
    if array.dtype.kind not in "biuf":
        kind = "strings" if array.dtype.kind in "SU" else f"{array.dtype} of {type(x).__name__}"
        raise DataError(
            f"{part} part: x holds {kind}: expected numbers, or a table (a DataFrame, CSV, Parquet)"
        )
    if array.ndim == 1:
        array = array[:, None]
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        return np.ascontiguousarray(array, np.float32)
    images = (array / np.float32(255)).astype(np.float32)
    return images if images.ndim == 4 else images[..., None]


def _as_array(values: Any, part: str, what: str) -> Array:
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever a framework's own arrays raise, as where they are on a GPU
        words = " ".join(str(error).split())[:200]
        raise DataError(f"{part} part: {what} is no array: {words}") from None
    if array.ndim == 0:
        raise DataError(f"{part} part: {what} is a {type(values).__name__}: expected a value for each row")
    return array


def _alike(train: Any, x: Any, part: str) -> Any:
    """With the same columns, in the same order, or of the same shape as those trained on."""
    if is_table(train) != is_table(x):
        raise DataError(f"{part} part: x is a {type(x).__name__}, in the train part a {type(train).__name__}")
    if not is_table(x):
        if x.shape[1:] != train.shape[1:]:
            raise DataError(
                f"{part} part: an input has shape {x.shape[1:]}, in the train part {train.shape[1:]}"
            )
        return x
    for name in sorted(set(train.columns) ^ set(x.columns)):
        raise DataError(f"{part} part: column {name!r} is in only one of it and the train part")
    return x[list(train.columns)]


def _targets(y: Any, part: str) -> Array:
    """One value for each row; one-hot rows become the numbers of their classes."""
    if is_table(y) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    array = _as_array(y, part, "y")
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


def _numbered(ys: Sequence[Array], task: str) -> tuple[list[Array], tuple[str, ...], int]:
    import pandas as pd

    y = pd.Series(np.concatenate([_plain(part) for part in ys])).infer_objects()
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
    return str(int(kind)) if isinstance(kind, float) and kind.is_integer() else str(kind)
