"""Data that were given from Python: a pickle that our own driver writes, found by its digest."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData
from mlflow_hpo.data.sources.functions import called
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.data.streams import RawStreams
from mlflow_hpo.errors import ConfigError, DataError, HpoError, one_line, worded
from mlflow_hpo.user_code import load_pickle, save_pickle


def save_data(data: Any, folder: Path, spec: DataSpec, roles: Mapping[str, Any] | None = None) -> str:
    """Writes data into a folder of contents (see `user_code`); returns their digest.

    Args:
        data: anything that a user's function may return, see `sources.values`; or such a function.
        spec: names the columns of a DataFrame.
        roles: the values of the training rows' roles (see `Roles`) that are no columns of it.

    Raises:
        ConfigError, DataError: see `raw_data_of`.
    """
    given = data if callable(data) else raw_data_of(data, spec)
    for role, values in (roles or {}).items():
        given = _with_role(given, role, values)
    try:
        return save_pickle(given, folder)
    except HpoError:
        raise
    except Exception as error:  # whatever a user's PyDataset raises
        raise ConfigError(
            f"data cannot be sent to the workers: {one_line(error)}; give a function that makes them"
        ) from None


def _with_role(raw: Any, role: str, values: Any) -> RawData:
    if not isinstance(raw, RawData):
        raise ConfigError(f"{role}-column: its values are for data that are given as arrays or tables")
    if raw.validation is not None or (role == "part" and raw.test is not None):
        raise ConfigError(f"{role}-column: its values are for data in one part, or with a test part")
    column = "weights" if role == "weight" else role
    if getattr(raw.train, column) is not None:
        raise ConfigError(f"{role}-column: the data have weights already")
    if raw.test is not None and role == "weight":
        raise ConfigError("weight-column: give the weights of each part, as (x, y, weights)")
    return replace(raw, train=replace(raw.train, **{column: values}))


def check(spec: DataSpec) -> None:
    """Raises ConfigError if the name says that data were given from Python, and none were."""
    if not spec.content:
        raise ConfigError(f"{spec.title} are to be given again from there")


def load(spec: DataSpec) -> RawData | RawStreams:
    """Reads what `save_data` wrote.

    Raises:
        ConfigError: it is not at hand.
        DataError: it cannot be read.
    """
    try:
        raw: Any = load_pickle(spec.content, spec.title)
    except ConfigError:
        raise
    except Exception as error:  # whatever the user's own classes raise
        raise DataError(f"data given from Python cannot be read: {worded(error)}") from None
    given: RawData | RawStreams = called(raw, spec) if callable(raw) else raw
    return replace(given, source="given from Python")
