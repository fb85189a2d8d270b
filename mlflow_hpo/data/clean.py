"""Turns a source's raw rows into inputs that can be trained on and classes or values."""

from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, Part
from mlflow_hpo.data.numbers import as_array, as_floats, as_weights
from mlflow_hpo.data.odd_columns import dense, plain_columns
from mlflow_hpo.data.roles import as_groups, as_times
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.data.structure import count, each, is_several, is_table, members, names
from mlflow_hpo.data.targets import as_targets, numbered
from mlflow_hpo.errors import DataError

TEXT = "text"  # the column that strings without a name become


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
    xs = {name: _like_train(xs["train"], x, name) for name, x in xs.items()}
    ys = {name: as_targets(rows.y, name, task) for name, rows in raw.parts.items()}
    for name, x in xs.items():
        if not count(x):
            raise DataError(f"{name} part: there are no rows")
    targets, labels, classes = numbered(list(ys.values()), task)
    parts = {n: Part(xs[n], y, **_roles(raw.parts[n], n)) for n, y in zip(xs, targets, strict=True)}
    for name, part in parts.items():
        _check_rows(part, name)
    if len({part.weights is None for part in parts.values()}) > 1:
        raise DataError("some parts have weights and others have none: give them to all, such as ones")
    return parts, labels, classes


def _roles(rows: RawRows, name: str) -> dict[str, Array]:
    roles = {
        "weights": lambda values: as_weights(values, name),
        "group": as_groups,
        "time": as_times,
    }
    columns = {role: getattr(rows, role) for role in roles}
    return {role: roles[role](values) for role, values in columns.items() if values is not None}


def _check_rows(part: Part, name: str) -> None:
    roles = {"weights": part.weights, "group-column": part.group, "time-column": part.time}
    columns = {"x": part.x, "y": part.y, **roles}
    counts = {
        what + which: len(values)
        for what, column in columns.items()
        if column is not None
        for which, values in zip(names(column), members(column), strict=True)
    }
    first, *others = counts.items()
    for what, rows in others:
        if rows != first[1]:
            verb = "have" if what == "weights" else "has"
            raise DataError(f"{name} part: {first[0]} has {first[1]} rows and {what} {verb} {rows}")


def _inputs(x: Any, part: str) -> Any:
    """Returns an array, a DataFrame whose columns are named by strings, or several arrays."""
    if is_several(x):
        if not len(x):
            raise DataError(f"{part} part: x has no inputs")
        return each(lambda member: _array_of_several(member, part), x)
    return _one_input(x, part)


def _one_input(x: Any, part: str) -> Any:
    if hasattr(x, "to_frame") and hasattr(x, "iloc"):  # a Series
        x = x.to_frame(TEXT if x.name is None else x.name)
    elif is_text(x):
        x = _column(x)
    x = dense(x, part)
    return _table(x, part) if is_table(x) else _array(x, part)


def is_text(x: Any) -> bool:
    """Tells whether inputs are a Series, a list or an array of strings."""
    from pandas.api.types import infer_dtype

    if is_several(x) or is_table(x) or len(getattr(x, "shape", "1")) != 1:
        return False
    if isinstance(x, list) and not (x and all(isinstance(v, str) or v is None for v in x)):
        return False
    return infer_dtype(x, skipna=True) == "string"


def _column(strings: Any) -> Any:
    import pandas as pd

    return pd.DataFrame({TEXT: np.asarray(strings, object)})


def _array_of_several(x: Any, part: str) -> Any:
    """Returns one of several inputs as an array: a table must be numbers; an array may be strings."""
    from pandas.api.types import is_numeric_dtype

    if not is_table(x):
        return _array(dense(x, part), part, strings=True)
    for name, kind in x.dtypes.items():
        if not is_numeric_dtype(kind):
            raise DataError(
                f"{part} part: column {str(name)!r} of one of several inputs holds no numbers: make numbers "
                "of it, or give all columns as one table"
            )
    return np.ascontiguousarray(x, np.float32)


def _table(x: Any, part: str) -> Any:
    x = plain_columns(x, part)
    if not len(x.columns):
        raise DataError(f"{part} part: there is no column beside the target")
    for name in x.columns[x.columns.duplicated()]:
        raise DataError(f"{part} part: there are two columns {name!r}")
    return x


def _array(x: Any, part: str, strings: bool = False) -> Array:
    """Converts to float32, or to an array of strings where they are allowed."""
    array = as_array(x, part, "x")
    if array.dtype.kind not in "biuf":
        if strings and all(isinstance(value, str) for value in array.ravel()):
            return array.astype(object)
        kind = "strings" if array.dtype.kind in "SU" else f"{array.dtype} of {type(x).__name__}"
        raise DataError(
            f"{part} part: x holds {kind}: expected numbers, or a table (a DataFrame, CSV, Parquet)"
        )
    return as_floats(array[:, None] if array.ndim == 1 else array)


def _like_train(train: Any, x: Any, part: str) -> Any:
    """Puts columns into the order of the train part; raises DataError if columns or shapes differ."""
    kinds = [set(v) if isinstance(v, dict) else len(v) if is_several(v) else is_table(v) for v in (train, x)]
    if kinds[0] != kinds[1]:
        raise DataError(f"{part} part: x is a {_kind(x)}, in the train part a {_kind(train)}")
    if is_table(x):
        for name in sorted(set(train.columns) ^ set(x.columns)):
            raise DataError(f"{part} part: column {name!r} is in only one of it and the train part")
        return x[list(train.columns)]
    for which, mine, theirs in zip(names(x), members(x), members(train), strict=True):
        if mine.shape[1:] != theirs.shape[1:]:
            raise DataError(
                f"{part} part: an input{which} has shape {mine.shape[1:]}, "
                f"in the train part {theirs.shape[1:]}"
            )
    return x


def _kind(x: Any) -> str:
    listed = f" of {', '.join(map(str, x))}" if isinstance(x, dict) else ""
    return type(x).__name__ + (f" of {len(x)}" if isinstance(x, tuple) else listed)
