"""Fetches a file from wherever MLflow finds it: a run, a model, a bucket, the web."""

import os
import tempfile
from pathlib import Path
from typing import Any

import mlflow
from mlflow.data import get_source
from mlflow.data.http_dataset_source import HTTPDatasetSource
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR

from mlflow_hpo.data.sources.tracked import rows_in
from mlflow_hpo.errors import ConfigError, DataError, one_line, without_passwords
from mlflow_hpo.user_code import save_content


def addressed(value: Any) -> Any:
    """Returns the address of a data set or a source of MLflow's, or what it loads; else what was given.

    Raises:
        DataError: it cannot be loaded.
    """
    if type(value).__module__ == "mlflow.entities.dataset":  # as a run lists it
        value = get_source(value)
    elif hasattr(value, "source") and rows_in(value) is None:
        value = value.source
    if not hasattr(value, "load"):
        return value
    if address := getattr(value, "uri", None) or getattr(value, "url", None):
        return address
    try:
        return value.load()
    except Exception as error:  # whatever the source's library raises
        raise DataError(f"data of {type(value).__name__} cannot be loaded: {one_line(error)}") from None


def fetched(uri: str, folder: Path) -> str:
    """Fetches a file into a folder of contents (see `user_code`); returns its digest.

    Raises:
        ConfigError: it cannot be had, or is a folder.
    """
    os.environ.setdefault(MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.name, "false")  # the terminal is ours
    shown = without_passwords(uri)
    with tempfile.TemporaryDirectory(dir=folder) as place:
        try:
            file = Path(_downloaded(uri, place))
        except ModuleNotFoundError as error:
            name = "boto3" if uri.startswith("s3:") else error.name
            raise ConfigError(
                f"data {shown!r} cannot be fetched without {name}: pip install {name}"
            ) from None
        except Exception as error:  # whatever a store's client raises
            raise ConfigError(f"data {shown!r} cannot be fetched: {one_line(error)}") from None
        if not file.is_file():
            raise ConfigError(f"data {shown!r} is a folder: name a file in it")
        return save_content(file.read_bytes(), folder)


def _downloaded(uri: str, folder: str) -> str:
    if uri.startswith(("http://", "https://")):
        return str(HTTPDatasetSource(uri).load(folder))
    return str(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
