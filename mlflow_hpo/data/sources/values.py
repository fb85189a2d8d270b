"""Takes data from a user's Python: pairs of arrays or DataFrames, a DataFrame with a target, tf.data."""

from typing import Any

import numpy as np
import psutil

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows, in_parts
from mlflow_hpo.data.sources.tables import rows_of
from mlflow_hpo.data.sources.tracked import unwrapped
from mlflow_hpo.data.structure import each, is_table, members
from mlflow_hpo.errors import ConfigError, DataError, one_line

EXPECTED = (
    "(x, y) or (x, y, weights), ((x, y), (x_test, y_test)), three such (train, validation, test), "
    "a DataFrame with a target, or a tf.data.Dataset of pairs (or one for each part)"
)
MEMBERS = (2, 3)  # of a part: inputs and targets, and perhaps weights
ENDLESS = -1  # the cardinality of a tf.data.Dataset without an end
MEMORY = 0.5  # of the free memory, for a tf.data.Dataset
OVERHEAD = 512  # bytes for each element, in addition to its arrays


def raw_data_of(value: Any, spec: DataSpec) -> RawData:
    """Returns the rows of a value, in the parts that it brings.

    Raises:
        ConfigError: a DataFrame comes without a target, or something else with one.
        DataError: the value is not data.
    """
    value, spec = unwrapped(value, spec)
    if hasattr(value, "to_pandas"):
        value = value.to_pandas()
    if is_table(value):
        return RawData(spec.name, rows_of(value, spec))
    for option, name in spec.columns.items():
        raise ConfigError(f"{option} {name!r} of {spec.title}: only a DataFrame has columns")
    parts = [value] if _is_dataset(value) or _is_one_part(value) else value
    if not isinstance(parts, tuple | list) or not 1 <= len(parts) <= 3:
        raise _unexpected(value, spec)
    return in_parts([_rows(part, spec) for part in parts], spec.name)


def _rows(part: Any, spec: DataSpec) -> RawRows:
    if _is_dataset(part):
        return _materialised(part, spec)
    if not isinstance(part, tuple | list) or len(part) not in MEMBERS:
        raise _unexpected(part, spec)
    x, y, *weights = part
    return RawRows(_inputs(x), _plain(y), *map(_plain, weights))


def _inputs(x: Any) -> Any:
    """Returns inputs with several in a dict or a tuple: a list of arrays or tables is several, too."""
    several = isinstance(x, list) and len(x) > 0 and all(hasattr(v, "shape") and len(v.shape) for v in x)
    return _plain(tuple(x) if several else x)


def _plain(values: Any) -> Any:
    """Returns what other libraries' tables hold as pandas has it, and a tuple of strings as a list."""
    if isinstance(values, tuple) and values and all(isinstance(v, str) for v in values):
        return list(values)
    return each(lambda v: v.to_pandas() if hasattr(v, "to_pandas") else v, values)


def _is_dataset(value: Any) -> bool:
    return hasattr(value, "as_numpy_iterator") and hasattr(value, "cardinality")


def _is_one_part(value: Any) -> bool:
    """Tells one (x, y) or (x, y, weights) from several parts, whose members are such tuples themselves."""
    if not isinstance(value, tuple | list) or len(value) not in MEMBERS:
        return False
    return not all(_is_dataset(v) or (isinstance(v, tuple) and len(v) in MEMBERS) for v in value)


def _unexpected(value: Any, spec: DataSpec) -> DataError:
    kind = (
        f"{type(value).__name__} of {len(value)}" if isinstance(value, tuple | list) else type(value).__name__
    )
    return DataError(f"{spec.title} gave a {kind}: expected {EXPECTED}")


def _materialised(dataset: Any, spec: DataSpec) -> RawRows:
    """Reads a tf.data.Dataset into arrays, in its order."""
    if int(dataset.cardinality()) == ENDLESS:
        raise DataError(f"{spec.title} gave a tf.data.Dataset without an end: take() as much as is wanted")
    elements = dataset.element_spec
    if not isinstance(elements, tuple) or len(elements) not in MEMBERS:
        raise _unexpected(elements, spec)
    flat = [member for column in elements for member in members(column)]
    for member in flat:
        if not hasattr(member, "shape"):
            raise _unexpected(member, spec)
    shapes = [member.shape for member in flat]
    batched = all(len(shape) and shape[0] == shapes[0][0] for shape in shapes)
    join = np.concatenate if batched else np.stack
    try:
        columns = zip(*_collected(dataset, spec), strict=True)
        return RawRows(*(each(lambda *values: join(values), *column) for column in columns))
    except ValueError as error:
        raise DataError(f"{spec.title}: its tf.data.Dataset is no array: {one_line(error)}") from None


def _collected(dataset: Any, spec: DataSpec) -> list[tuple[Any, ...]]:
    room, rows = MEMORY * psutil.virtual_memory().available, []
    for row in dataset.as_numpy_iterator():
        room -= OVERHEAD + sum(np.asarray(member).nbytes for column in row for member in members(column))
        if room < 0:
            raise DataError(f"{spec.title}: its tf.data.Dataset does not fit into memory, or has no end")
        rows.append(row)
    if not rows:
        raise DataError(f"{spec.title}: its tf.data.Dataset is empty")
    return rows
