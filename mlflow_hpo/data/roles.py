"""Reads the columns that say how rows may be split: their groups, their times, their parts."""

import warnings
from contextlib import suppress
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array
from mlflow_hpo.data.rules import rows_text
from mlflow_hpo.errors import DataError

PARTS = {  # what a part is called, in small letters
    **dict.fromkeys(("train", "training", "fit"), "train"),
    **dict.fromkeys(("validation", "validate", "valid", "val", "dev", "eval"), "validation"),
    **dict.fromkeys(("test", "testing", "holdout"), "test"),
}


def as_groups(values: Any) -> Array:
    """Returns the number of each row's group.

    Raises:
        DataError: a row has no group, or all have the same one.
    """
    import pandas as pd

    numbers, groups = pd.factorize(_series(values, "group-column"), sort=False)
    if len(groups) < 2:
        raise DataError(f"group-column: there is only one group, {_shown(groups[0])}: nothing can be split")
    return np.asarray(numbers, np.int64)


def as_times(values: Any) -> Array:
    """Returns a number for each row that grows with its time.

    Raises:
        DataError: a time is missing, or cannot be read; or days and months cannot be told apart.
    """
    import pandas as pd
    from pandas.api.types import is_bool_dtype, is_datetime64_any_dtype, is_numeric_dtype

    times = _series(values, "time-column").infer_objects()
    if isinstance(times.dtype, pd.PeriodDtype):
        times = times.dt.start_time
    if not is_datetime64_any_dtype(times):
        with suppress(ValueError, TypeError):
            times = pd.to_numeric(times)  # words that are numbers
    if is_numeric_dtype(times) and not is_bool_dtype(times):
        numbers: Array = times.to_numpy()
        if not np.isfinite(numbers.astype(np.float64)).all():
            raise DataError("time-column: a time is not finite")
        return numbers
    if not is_datetime64_any_dtype(times):
        times = _parsed(times)
    return np.asarray(times.dt.tz_localize(None).to_numpy("datetime64[ns]"), np.int64)


def as_parts(values: Any) -> Array:
    """Returns the name of each row's part.

    Raises:
        DataError: a row has none, a word is unknown, or no row is to train on.
    """
    words = _series(values, "part-column")
    names = words.map(lambda word: PARTS.get(str(word).strip().lower()))
    if (strange := words[names.isna()]).size:
        raise DataError(
            f"part-column: {_shown(strange.tolist()[0])} in {rows_text(strange.size)} is no part: "
            "expected train, validation and test"
        )
    if not (names == "train").any():
        raise DataError("part-column: no row is in the part train")
    return np.asarray(names, object)


def _series(values: Any, option: str) -> Any:
    import pandas as pd

    series = pd.Series(np.ravel(values) if isinstance(values, np.ndarray) else values).reset_index(drop=True)
    if missing := int(series.isna().sum()):
        raise DataError(f"{option}: its value is missing in {missing} of {len(series)} rows")
    return series


def _parsed(times: Any) -> Any:
    """Reads words as times in one form; dates such as 01/02/2024 only if one order of day and month fits."""
    import pandas as pd

    readings = [r for form in (False, True) if (r := _reading(times, dayfirst=form)) is not None]
    if not readings:
        strange = next((t for t in times if _reading(pd.Series([t])) is None), times.iloc[0])
        raise DataError(
            f"time-column: {_shown(strange)} cannot be read as a time or a number: "
            "write all times in one form, as 2026-01-31 or 2026-01-31 13:05"
        )
    if not readings[0].equals(readings[-1]):
        raise DataError(
            f"time-column: {_shown(times.iloc[0])} may be two days, by the order of day and month: "
            "write 2026-01-31"
        )
    return readings[0]


def _reading(times: Any, dayfirst: bool = False) -> Any:
    import pandas as pd

    words, forms = times.astype(str), ({"format": "ISO8601"}, {"dayfirst": dayfirst})
    for form in forms:
        with suppress(ValueError, TypeError, OverflowError), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the order of day and month, which is looked at here
            return pd.to_datetime(words, utc=True, **form)
    return None


def _shown(value: Any) -> str:
    return repr(getattr(value, "item", lambda: value)())[:60]
