"""Tables in files, CSV and Parquet, with a column to predict."""

import os
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.errors import ConfigError, DataError, one_line

SUFFIXES = (".csv", ".csv.gz", ".parquet")
SHOWN = 30  # columns in an error


def check(spec: DataSpec) -> None:
    """Raises ConfigError if there is no such file, or no such column in its header."""
    check_file(spec.name)
    try:
        check_columns(spec, _header(spec.name))
    except DataError as error:
        raise ConfigError(str(error)) from None


def check_file(name: str) -> None:
    """Raises ConfigError if there is no such file."""
    if not os.path.isfile(name):  # noqa: PTH113 (the name may be too long)
        raise ConfigError(f"data {name!r}: there is no such file")


def load(spec: DataSpec) -> RawData:
    """Loads a table.

    Raises:
        ConfigError: it has no such target.
        DataError: it cannot be read.
    """
    import pandas as pd

    if _is_parquet(spec.name):
        table = _read(pd.read_parquet, spec.name)
    else:
        table = _read(pd.read_csv, spec.name, low_memory=False)  # infers a column's type from all rows
    return RawData(spec.name, rows_of(table, spec))


def rows_of(table: Any, spec: DataSpec) -> RawRows:
    """Separates the columns of a DataFrame that are no inputs.

    Raises:
        ConfigError: the spec names no column to predict, or one that there is not.
    """
    table = table.rename(columns=str)
    check_columns(spec, list(table.columns))
    x = table.drop(columns=[*spec.columns.values()])
    return RawRows(x, table[spec.target], *(name and table[name] for name in astuple(spec.roles)))


def check_columns(spec: DataSpec, columns: list[str]) -> None:
    """Raises ConfigError if no column to predict is named, or a column that is named is not there."""
    listed = ", ".join(columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
    if spec.target is None:
        raise ConfigError(f"data {spec.name!r} needs a target, the column to predict: one of {listed}")
    options = {name: option for option, name in spec.columns.items()}
    for option, name in spec.columns.items():
        if options[name] != option:
            raise ConfigError(f"{option} and {options[name]} are both {name!r}: a column has one use")
        if (times := columns.count(name)) > 1:
            raise ConfigError(
                f"{option} {name!r} stands {times} times in data {spec.name!r}: give each its name"
            )
        if not times:
            raise ConfigError(f"{option} {name!r} is no column of data {spec.name!r}: there are {listed}")


def _header(name: str) -> list[str]:
    if _is_parquet(name):
        from pyarrow.parquet import read_schema

        return [n for n in _read(read_schema, name).names if not n.startswith("__index_level_")]
    import pandas as pd

    # Of the columns' names, pandas would change those that stand twice.
    head = _read(pd.read_csv, name, header=None, nrows=1, dtype=str, keep_default_na=False)
    return [text or f"Unnamed: {place}" for place, text in enumerate(head.iloc[0])]


def _read(reader: Callable[..., Any], name: str, **options: Any) -> Any:
    try:
        return reader(name, **options)
    except (OSError, ValueError, EOFError) as error:  # includes the errors of pandas and pyarrow
        raise DataError(f"data {name!r} cannot be read: {one_line(error)}") from None


def _is_parquet(name: str) -> bool:
    return name.endswith(".parquet")
