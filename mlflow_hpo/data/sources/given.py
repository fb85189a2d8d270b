"""Data that were given from Python: a pickle that our own driver writes, found by its digest."""

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.errors import ConfigError, DataError, worded
from mlflow_hpo.user_code import read_content, save_content


def save_data(data: Any, folder: Path, spec: DataSpec) -> str:
    """Writes data into a folder of contents (see `user_code`); returns their digest.

    Args:
        data: anything that a user's function may return, see `sources.values`.
        spec: names the columns of a DataFrame.

    Raises:
        ConfigError, DataError: see `raw_data_of`.
    """
    import cloudpickle

    return save_content(cloudpickle.dumps(raw_data_of(data, spec)), folder)


def check(spec: DataSpec) -> None:
    """Raises ConfigError if the name says that data were given from Python, and none were."""
    if not spec.content:
        raise ConfigError(f"data {spec.name!r} were given from Python, and are to be given again from there")


def load(spec: DataSpec) -> RawData:
    """Reads what `save_data` wrote.

    Raises:
        ConfigError: it is not at hand.
        DataError: it cannot be read.
    """
    content = read_content(spec.content, f"data {spec.name!r}")
    try:
        raw: RawData = pickle.loads(content)
    except Exception as error:  # whatever the user's own classes raise
        raise DataError(f"data given from Python cannot be read: {worded(error)}") from None
    return replace(raw, source="given from Python")
