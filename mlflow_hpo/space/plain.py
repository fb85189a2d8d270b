"""What the converters share: a space as plain data, the same that its YAML says.

A *plain* space is a dict of names to what YAML would hold there: a scalar, a list of options, or a dict with
`type`, `low` and `high`.
"""

import math
from typing import Any

from mlflow_hpo.errors import SpaceError

Plain = Any


def plain(value: Any) -> Any:
    """The value with numpy's scalars and arrays as Python's, and tuples and ranges as lists."""
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple | range):
        return [plain(v) for v in value]
    return value


def number(kind: str, low: Any, high: Any, **fields: Any) -> Plain:
    """A range, or the number that both its ends are; `step` and `log` only where they say something."""
    low, high = plain(low), plain(high)
    if low == high:
        return low
    said = {name: plain(value) for name, value in fields.items() if value}
    return {"type": kind, "low": low, "high": high} | said


def multiples(low: float, high: float, q: float, kind: str) -> Plain:
    """The multiples of `q` that rounding a number between the ends gives.

    An end that lies halfway between two of them belongs to the inner one: the other has no odds.
    """
    first, last = math.floor(round(low / q, 9) + 0.5), math.ceil(round(high / q, 9) - 0.5)
    last = max(first, last)
    if kind == "int":
        return number(kind, first * int(q), last * int(q), step=int(q) if q != 1 else 0)
    return number(kind, short(first * q), short(last * q), step=float(q))


def short(value: float) -> float:
    """The number without float noise: exp(log(0.0001)) is 0.0001."""
    rounded = float(f"{value:.12g}")
    return rounded if math.isclose(rounded, value, rel_tol=1e-14) else float(value)


def refused(name: str, what: str, advice: str) -> SpaceError:
    """The error for a distribution that a space cannot say."""
    return SpaceError(f"space: {name}: {what} {advice}")
