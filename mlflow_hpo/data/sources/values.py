"""Takes data from a user's Python: pairs of arrays or DataFrames, a DataFrame with a target, tf.data."""

from typing import Any

import numpy as np
import psutil

from mlflow_hpo.data.base import Array, DataSpec, is_table
from mlflow_hpo.data.sources.base import RawData, RawRows, in_parts
from mlflow_hpo.data.sources.tables import rows_of
from mlflow_hpo.errors import ConfigError, DataError, one_line

EXPECTED = (
    "(x, y), ((x, y), (x_test, y_test)), three such pairs (train, validation, test), "
    "a DataFrame with a target, or a tf.data.Dataset of pairs (or one for each part)"
)
ENDLESS = -1  # the cardinality of a tf.data.Dataset without an end
MEMORY = 0.5  # of the free memory, for a tf.data.Dataset
OVERHEAD = 512  # bytes for each element, in addition to its arrays


def raw_data_of(value: Any, spec: DataSpec) -> RawData:
    """Returns the rows of a value, in the parts that it brings.

    Raises:
        ConfigError: a DataFrame comes without a target, or something else with one.
        DataError: the value is not data.
    """
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if is_table(value):
        return RawData(spec.name, rows_of(value, spec))
    if spec.target is not None:
        raise ConfigError(f"target {spec.target!r} of data {spec.name!r}: only a DataFrame has columns")
    parts = [value] if _is_dataset(value) or _is_pair(value) else value
    if not isinstance(parts, tuple | list) or not 1 <= len(parts) <= 3:
        raise _unexpected(value, spec)
    return in_parts([_rows(part, spec) for part in parts], spec.name)


def _rows(part: Any, spec: DataSpec) -> RawRows:
    if _is_dataset(part):
        return _materialised(part, spec)
    if not isinstance(part, tuple | list) or len(part) != 2:
        raise _unexpected(part, spec)
    for values in part:
        if isinstance(values, dict):
            raise _unexpected(values, spec)
    return RawRows(*(v.to_pandas() if hasattr(v, "to_pandas") else v for v in part))


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "as_numpy_iterator") and hasattr(value, "cardinality")


def _is_pair(value: Any) -> bool:
    """Tells one (x, y) from a pair of parts, whose members are pairs themselves."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        return False
    return not all(_is_dataset(v) or (isinstance(v, tuple) and len(v) == 2) for v in value)


def _unexpected(value: Any, spec: DataSpec) -> DataError:
    kind = (
        f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
    )
    return DataError(f"data {spec.name!r} gave a {kind}: expected {EXPECTED}")


def _materialised(dataset: Any, spec: DataSpec) -> RawRows:
    """Reads a tf.data.Dataset into two arrays, in its order."""
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
        return RawRows(*(join(arrays) for arrays in zip(*pairs, strict=True)))
    except ValueError as error:
        raise DataError(f"data {spec.name!r}: its tf.data.Dataset is no array: {one_line(error)}") from None


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
