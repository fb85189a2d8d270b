"""Tables in files: CSV and Parquet, one of whose columns is to be predicted."""

from pathlib import Path
from typing import Any

from mlflow_hpo.data.base import DataSpec, Found, Rows, line
from mlflow_hpo.errors import ConfigError, DataError

SUFFIXES = (".csv", ".csv.gz", ".parquet")
SHOWN = 30  # columns in an error


def check(spec: DataSpec) -> None:
    """Raise ConfigError where there is no such file, or no such column in its header."""
    check_file(spec.name)
    try:
        check_target(spec, _header(spec.name))
    except DataError as error:
        raise ConfigError(str(error)) from None


def check_file(name: str) -> None:
    """Raise ConfigError where there is no such file."""
    if not Path(name).is_file():
        raise ConfigError(f"data {name!r}: there is no such file")


def check_target(spec: DataSpec, columns: list[str]) -> None:
    """Raise ConfigError where the column to predict is not named, or is none of these."""
    there = ", ".join(columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
    if spec.target is None:
        raise ConfigError(f"data {spec.name!r} needs a target, the column to predict: one of {there}")
    if spec.target not in columns:
        raise ConfigError(f"target {spec.target!r} is no column of data {spec.name!r}: there are {there}")


def load(spec: DataSpec) -> Found:
    """Load a table.

    Raises:
        ConfigError: it has no such target.
        DataError: it cannot be read.
    """
    import pandas as pd

    table = _read(pd.read_parquet if _is_parquet(spec.name) else _read_csv, spec.name)
    return Found(spec.name, rows_of(table, spec))


def rows_of(table: Any, spec: DataSpec) -> Rows:
    """A DataFrame's other columns, and the one to predict."""
    table = table.rename(columns=str)
    check_target(spec, list(table.columns))
    return Rows(table.drop(columns=[spec.target]), table[spec.target])


def _header(name: str) -> list[str]:
    if _is_parquet(name):
        from pyarrow.parquet import read_schema

        return [n for n in _read(read_schema, name).names if not n.startswith("__index_level_")]
    import pandas as pd

    return [str(column) for column in _read(pd.read_csv, name, nrows=0).columns]


def _read_csv(name: str) -> Any:
    import pandas as pd

    return pd.read_csv(name, low_memory=False)  # a column's kind is inferred from all of its rows


def _read(how: Any, name: str, **options: Any) -> Any:
    try:
        return how(name, **options)
    except (OSError, ValueError, EOFError) as error:  # pandas's and pyarrow's own are among them
        raise DataError(f"data {name!r} cannot be read: {line(error)}") from None


def _is_parquet(name: str) -> bool:
    return name.endswith(".parquet")
