"""Turns whatever holds numbers into arrays of float32."""

from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array
from mlflow_hpo.errors import DataError, one_line


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


def as_floats(array: Array) -> Array:
    """Converts numbers to float32. Images of bytes get values from 0 to 1, and a channel if there is none."""
    if array.dtype != np.uint8 or array.ndim not in (3, 4):
        return np.ascontiguousarray(array, np.float32)
    images = (array / np.float32(255)).astype(np.float32)
    return images if images.ndim == 4 else images[..., None]


def as_weights(values: Any, part: str) -> Array:
    """Converts how much rows count to float32.

    Raises:
        DataError: they are not one number for each row, from 0, and not all 0.
    """
    array = as_array(values, part, "the weights")
    array = array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        shape = f"{array.dtype} of shape {array.shape}"
        raise DataError(f"{part} part: the weights are {shape}: expected a number for each row")
    if not (np.isfinite(array).all() and (array >= 0).all() and array.any()):
        raise DataError(f"{part} part: weights must be finite, at least 0, and not all 0")
    return array.astype(np.float32)
