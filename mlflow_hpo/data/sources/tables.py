"""Tables in files, with a column to predict."""

import json
from dataclasses import astuple
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.data.sources.files import (
    COLUMNS,
    TEXT,
    check_flat,
    column_names,
    opened,
    read_columns,
    read_json,
    reading,
)
from mlflow_hpo.data.sources.text import read_header, read_text
from mlflow_hpo.errors import ConfigError, DataError

SHOWN = 30  # columns in an error


def check(spec: DataSpec) -> None:
    """Raises ConfigError if there is no such file, or no such column in its header."""
    try:
        check_columns(spec, _header(spec))
    except DataError as error:
        raise ConfigError(str(error)) from None


def load(spec: DataSpec) -> RawData:
    """Loads a table.

    Raises:
        ConfigError: it has no such target.
        DataError: it cannot be read.
    """
    table = _table(spec)
    check_flat(table, spec.name)
    return RawData(spec.name, rows_of(table, spec))


def rows_of(table: Any, spec: DataSpec) -> RawRows:
    """Separates the columns of a DataFrame that are no inputs.

    Raises:
        ConfigError: the spec names no column to predict, or one that there is not.
    """
    if {*table.index.names} & {*spec.columns.values()} - {*table.columns}:  # such as the times
        table = table.reset_index()
    table = table.rename(columns=str)
    check_columns(spec, list(table.columns))
    x = table.drop(columns=[*spec.columns.values()])
    return RawRows(x, table[spec.target], *(name and table[name] for name in astuple(spec.roles)))


def check_columns(spec: DataSpec, columns: list[str]) -> None:
    """Raises ConfigError if no column to predict is named, or a column that is named is not there."""
    listed = ", ".join(columns[:SHOWN]) + (", ..." if len(columns) > SHOWN else "")
    if spec.target is None:
        raise ConfigError(f"{spec.title} needs a target, the column to predict: one of {listed}")
    options = {name: option for option, name in spec.columns.items()}
    for option, name in spec.columns.items():
        if options[name] != option:
            raise ConfigError(f"{option} and {options[name]} are both {name!r}: a column has one use")
        if (times := columns.count(name)) > 1:
            raise ConfigError(f"{option} {name!r} stands {times} times in {spec.title}: give each its name")
        if not times:
            raise ConfigError(f"{option} {name!r} is no column of {spec.title}: there are {listed}")


def _header(spec: DataSpec) -> list[str]:
    name, options = spec.name, read_options(spec)
    with reading(name), opened(spec) as (file, form):
        if form in TEXT:
            return read_header(file, form, options, name)
        if form in COLUMNS and not options:
            return column_names(file, form)
    return [*map(str, _table(spec).columns)]


def _table(spec: DataSpec) -> Any:
    name, options = spec.name, read_options(spec)
    with reading(name), opened(spec) as (file, form):
        if form in TEXT:
            return read_text(file, form, options, name)
        if form in COLUMNS:
            return read_columns(file, form, options)
        return read_json(file, form, options, name)


def read_options(spec: DataSpec) -> dict[str, Any]:
    """Returns the options of pandas that a spec gives."""
    options: dict[str, Any] = json.loads(spec.read_options or "{}")
    return options
