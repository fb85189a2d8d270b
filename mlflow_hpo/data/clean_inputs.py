"""Inputs as they were found, into float32 arrays or tables of raw columns."""

from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, as_array, is_table
from mlflow_hpo.errors import DataError


def inputs(x: Any, part: str) -> Any:
    """An array, float32, or a DataFrame with names for its columns."""
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


def alike(train: Any, x: Any, part: str) -> Any:
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
