"""Inputs and targets that may be several: an array or a table, or a dict or a tuple of them.

What is done to rows is done to each member here, so that nothing else need know how many there are.
"""

from collections.abc import Callable
from typing import Any

import numpy as np


def is_several(x: Any) -> bool:
    """Tells whether inputs or targets are several, not one array or table."""
    return isinstance(x, dict | tuple)


def members(x: Any) -> list[Any]:
    """Returns the arrays and tables, in the order of a dict's keys."""
    if isinstance(x, dict):
        return [x[name] for name in sorted(x)]
    return list(x) if isinstance(x, tuple) else [x]


def names(x: Any) -> list[str]:
    """Returns what each of `members` is called, for errors; nothing if it is the only one."""
    if isinstance(x, dict):
        return [f" {name!r}" for name in sorted(x)]
    return [f" {number}" for number in range(len(x))] if isinstance(x, tuple) else [""]


def each(change: Callable[..., Any], x: Any, *others: Any) -> Any:
    """Calls a function with each member, and those in its place in the others; returns the same structure."""
    if isinstance(x, dict):
        return {name: change(x[name], *(other[name] for other in others)) for name in x}
    if isinstance(x, tuple):
        return tuple(change(*same) for same in zip(x, *others, strict=True))
    return change(x, *others)


def count(x: Any) -> int:
    """Returns the number of rows."""
    return len(members(x)[0])


def taken(x: Any, index: Any) -> Any:
    """Returns the rows at these positions, in this order."""
    return each(lambda v: v.iloc[index].reset_index(drop=True) if hasattr(v, "iloc") else v[index], x)


def joined(x: Any, other: Any) -> Any:
    """Returns rows, followed by those of another part."""
    return each(_joined, x, other)


def shape_of(x: Any) -> Any:
    """Returns the shape of one row; of several members, that of each."""
    return each(lambda v: tuple(v.shape[1:]), x)


def is_table(x: Any) -> bool:
    """Tells whether inputs are a pandas DataFrame, without importing pandas."""
    return hasattr(x, "iloc") and hasattr(x, "columns")


def _joined(x: Any, other: Any) -> Any:
    if not is_table(x):
        return np.concatenate([x, other])
    import pandas as pd

    return pd.concat([x, other], ignore_index=True)
