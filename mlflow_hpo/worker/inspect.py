"""Looks at the user's model and data in a worker, before a study begins."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import SetupError
from mlflow_hpo.worker.startup import data_of, user_errors

if TYPE_CHECKING:
    from mlflow_hpo.data import Data
    from mlflow_hpo.models import ModelInfo
    from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec


def describe(spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
    """Returns what a driver must know of the model and the data.

    Args:
        name: how the model is named in messages.

    Raises:
        HpoError: they cannot be loaded.
    """
    from mlflow_hpo.objectives.find import find_objective

    with user_errors(f"model {name!r} or its data cannot be loaded: "):
        data = data_of(spec)
        return find_objective(spec).describe(name, data), _data_info(data, spec.folds)


def _data_info(data: Data | None, folds: int) -> DataInfo:
    from mlflow_hpo.objectives.spec import DataInfo

    if data is None:
        return DataInfo()
    validates = folds > 1 or len(data.validation) > 0
    return DataInfo(data.task, data.classes, data.rows, data.digest, validates, _apart(data))


def _apart(data: Data) -> str:
    from mlflow_hpo.data import whole
    from mlflow_hpo.errors import ConfigError

    try:
        _ = whole(data) if data.streams else None
    except ConfigError as error:
        return str(error)
    return ""


@user_errors("the model cannot be built with its baseline: ", SetupError)
def dry_run(spec: ObjectiveSpec, config: Mapping[str, Any], max_epochs: int) -> tuple[str, ...] | None:
    """Tries a config on a few rows, before any trial starts.

    Returns:
        The metrics that its training will report; None if only training tells.

    Raises:
        SetupError: it cannot be trained, so that the search is not to begin.
    """
    from mlflow_hpo.objectives.find import find_objective
    from mlflow_hpo.objectives.given_config import given_config
    from mlflow_hpo.objectives.handle import Handle
    from mlflow_hpo.objectives.reporter import SilentReporter
    from mlflow_hpo.objectives.unit import UnitContext

    with tempfile.TemporaryDirectory(prefix="mlflow-hpo-") as folder:
        unit = UnitContext(
            config=given_config(spec, config),
            seed=0,
            start=0,
            epochs=1,
            max_epochs=max_epochs,
            data=data_of(spec),
            folder=Path(folder),
        )
        return find_objective(spec).dry_run(Handle(unit, SilentReporter()))
