"""Turns a source's raw rows into inputs that can be trained on and classes or values."""

from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, Part, is_table
from mlflow_hpo.data.sources.base import RawData
from mlflow_hpo.data.targets import as_array, as_targets, numbered
from mlflow_hpo.errors import DataError


def cleaned(raw: RawData, task: str) -> tuple[dict[str, Part], tuple[str, ...], int]:
    """Cleans the parts that a source brings.

    Args:
        task: classification, regression, or auto to infer it from the targets.

    Returns:
        The parts by name, the names of the classes, and the number of classes: see `Data`.

    Raises:
        DataError: a model cannot be trained on the inputs, or not for the targets.
    """
    xs = {name: _inputs(rows.x, name) for name, rows in raw.parts.items()}
    ys = {name: as_targets(rows.y, name) for name, rows in raw.parts.items()}
    for name, x in xs.items():
        xs[name] = _like_train(xs["train"], x, name)
        if len(x) != len(ys[name]):
            raise DataError(f"{name} part: x has {len(x)} rows and y has {len(ys[name])}")
        if not len(x):
            raise DataError(f"{name} part: there are no rows")
    targets, labels, classes = numbered(list(ys.values()), task)
    return {name: Part(xs[name], y) for name, y in zip(xs, targets, strict=True)}, labels, classes


def _inputs(x: Any, part: str) -> Any:
    """Returns an array, float32, or a DataFrame whose columns are named by strings."""
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
    """Converts to float32. Images of bytes become values from 0 to 1, with a channel if they have none."""
    array = as_array(x, part, "x")
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


def _like_train(train: Any, x: Any, part: str) -> Any:
    """Puts columns into the order of the train part; raises DataError if columns or shapes differ."""
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
