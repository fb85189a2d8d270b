"""Turns columns that neither MLflow nor a model takes into some that both do."""

from typing import Any

from mlflow_hpo.errors import DataError

LOOKED_AT = 100  # values of a column of objects
MOST_BYTES = 1 << 30  # of a sparse matrix as an array


def plain_columns(x: Any, part: str) -> Any:
    """Returns a DataFrame whose columns have one name each, and hold numbers, flags, words or dates.

    Durations become seconds, intervals words and periods the dates on which they begin.

    Raises:
        DataError: a column holds something else.
    """
    if x.columns.nlevels > 1:
        x = x.set_axis(["_".join(map(str, levels)) for levels in x.columns], axis=1)
    x = x.rename(columns=str).reset_index(drop=True)
    positions = [number for number, kind in enumerate(x.dtypes) if _is_odd(kind)]
    changed = {number: _plain(x.iloc[:, number], part) for number in positions}
    for number, column in changed.items():
        x.isetitem(number, column)
    return x


def dense(x: Any, part: str) -> Any:
    """Returns a sparse matrix as an array; other inputs as they are.

    Raises:
        DataError: it would take too much memory.
    """
    if not hasattr(x, "toarray"):
        return x
    needed = x.shape[0] * x.shape[1] * 4
    if needed > MOST_BYTES:
        raise DataError(
            f"{part} part: x is sparse, of shape {x.shape}, and would take {needed / MOST_BYTES:.0f} GiB as "
            "an array: give what it is made of, and what makes it as the first step of a Pipeline"
        )
    return x.astype("float32").toarray()


def _is_odd(kind: Any) -> bool:
    import pandas as pd

    inside = getattr(getattr(kind, "categories", None), "dtype", kind)
    named = inside.kind == "m" or isinstance(inside, pd.IntervalDtype | pd.PeriodDtype)
    return named or kind == "object"


def _plain(column: Any, part: str) -> Any:
    import pandas as pd

    if isinstance(column.dtype, pd.PeriodDtype):
        return column.dt.to_timestamp()
    if column.dtype.kind == "m":
        return column.dt.total_seconds()
    if column.dtype != "object":
        return column.astype(str).where(column.notna())
    for value in column.dropna().head(LOOKED_AT):
        if isinstance(value, list | dict | set) or hasattr(value, "shape"):
            raise DataError(
                f"{part} part: column {column.name!r} holds a {type(value).__name__}: expected numbers, "
                "words or dates: give it as columns of its own"
            )
    return column
