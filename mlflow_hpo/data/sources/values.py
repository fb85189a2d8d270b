"""What a user's Python gives as data: pairs of arrays or frames, a frame with a target, tf.data."""

from typing import Any

import numpy as np
import psutil

from mlflow_hpo.data.base import Array, DataSpec, Found, Rows, in_parts, is_table, line
from mlflow_hpo.data.sources.tables import rows_of
from mlflow_hpo.errors import ConfigError, DataError

EXPECTED = (
    "(x, y), ((x, y), (x_test, y_test)), three such pairs (train, validation, test), "
    "a DataFrame with a target, or a tf.data.Dataset of pairs (or one for each part)"
)
ENDLESS = -1  # what a tf.data.Dataset without an end has as its cardinality
MEMORY = 0.5  # of what is free, for a tf.data.Dataset
OVERHEAD = 512  # bytes that an element takes beside its arrays


def found_in(value: Any, spec: DataSpec) -> Found:
    """The rows in a value, in the parts that it brings.

    Raises:
        ConfigError: a target is missing, or of no use.
        DataError: it is nothing that is expected.
    """
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if is_table(value):
        return Found(spec.name, rows_of(value, spec))
    if spec.target is not None:
        raise ConfigError(f"target {spec.target!r} of data {spec.name!r}: only a DataFrame has columns")
    parts = [value] if _is_dataset(value) or _is_pair(value) else value
    if not isinstance(parts, tuple | list) or not 1 <= len(parts) <= 3:
        raise _unexpected(value, spec)
    return in_parts([_rows(part, spec) for part in parts], spec.name)


def _rows(part: Any, spec: DataSpec) -> Rows:
    if _is_dataset(part):
        return _materialised(part, spec)
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise _unexpected(part, spec)
    for values in part:
        if isinstance(values, dict):
            raise _unexpected(values, spec)
    return Rows(*(v.to_pandas() if hasattr(v, "to_pandas") else v for v in part))


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "as_numpy_iterator") and hasattr(value, "cardinality")


def _is_pair(value: Any) -> bool:
    """Whether it is one (x, y), not one for each part: then x and y are themselves no pairs."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    return not all(_is_dataset(v) or (isinstance(v, tuple) and len(v) == 2) for v in value)


def _unexpected(value: Any, spec: DataSpec) -> DataError:
    kind = (
        f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
    )
    return DataError(f"data {spec.name!r} gave a {kind}: expected {EXPECTED}")


def _materialised(dataset: Any, spec: DataSpec) -> Rows:
    """A tf.data.Dataset as two arrays, in the order it has."""
    if int(dataset.cardinality()) == ENDLESS:
        raise DataError(
            f"data {spec.name!r} gave a tf.data.Dataset without an end: take() as much as is wanted"
        )
    if not isinstance(dataset.element_spec, tuple) or len(dataset.element_spec) != 2:
        raise _unexpected(dataset.element_spec, spec)
    for part in dataset.element_spec:
        if not hasattr(part, "shape"):
            raise _unexpected(part, spec)
    x, y = (part.shape for part in dataset.element_spec)
    batched = bool(len(x) and len(y)) and x[0] == y[0]
    try:
        pairs = _collected(dataset, spec)
        join = np.concatenate if batched else np.stack
        return Rows(*(join(arrays) for arrays in zip(*pairs, strict=True)))
    except ValueError as error:
        raise DataError(f"data {spec.name!r}: its tf.data.Dataset is no array: {line(error)}") from None


def _collected(dataset: Any, spec: DataSpec) -> list[tuple[Array, Array]]:
    room, pairs = MEMORY * psutil.virtual_memory().available, []
    for x, y in dataset.as_numpy_iterator():
        room -= np.asarray(x).nbytes + np.asarray(y).nbytes + OVERHEAD
        if room < 0:
            raise DataError(
                f"data {spec.name!r}: its tf.data.Dataset does not fit into memory, or has no end"
            )
        pairs.append((x, y))
    if not pairs:
        raise DataError(f"data {spec.name!r}: its tf.data.Dataset is empty")
    return pairs
