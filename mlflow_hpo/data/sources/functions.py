"""Data that a user's function returns."""

from collections.abc import Callable
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.data.streams import RawStreams
from mlflow_hpo.errors import ConfigError, DataError, HpoError, worded
from mlflow_hpo.user_code import check_reference, load_reference


def check(spec: DataSpec) -> None:
    """Raises ConfigError if the reference is malformed or its file is missing; imports nothing."""
    check_reference(spec.name, "data")


def load(spec: DataSpec) -> RawData | RawStreams:
    """Calls the function.

    Raises:
        ConfigError: there is no such function.
        DataError: it fails, or returns something other than data.
    """
    function = load_reference(spec.name, "data")
    if not callable(function):
        raise ConfigError(f"{spec.title} is no function but a {type(function).__name__}")
    return called(function, spec)


def called(function: Callable[[], Any], spec: DataSpec) -> RawData | RawStreams:
    """Returns what a function gives.

    Raises:
        DataError: it fails, or returns something other than data.
    """
    try:
        value = function()
    except HpoError:
        raise
    except Exception as error:
        raise DataError(f"{spec.title} failed: {worded(error)}") from error
    return raw_data_of(value, spec)
