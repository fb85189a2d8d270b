"""Takes the data sets that `mlflow.data` makes, by their rows."""

from dataclasses import replace
from typing import Any

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.errors import ConfigError

ROWS = ("df", "ds", "features", "data")  # where a data set of MLflow's has its rows


def is_mlflows(value: Any) -> bool:
    """Tells whether `mlflow.data` made it, or a run lists it."""
    return type(value).__module__.startswith(("mlflow.data.", "mlflow.entities.dataset"))


def rows_in(dataset: Any) -> Any:
    """Returns the rows of a data set of MLflow's; None if it only says where they are."""
    return next((rows for name in ROWS if (rows := getattr(dataset, name, None)) is not None), None)


def unwrapped(value: Any, spec: DataSpec) -> tuple[Any, DataSpec]:
    """Returns the rows of a data set of MLflow's, and a spec that names its target; else what was given.

    Raises:
        ConfigError: the data set holds no rows.
    """
    if not is_mlflows(value):
        return value, spec
    rows = rows_in(value)
    if rows is None:
        raise ConfigError(f"data: a {type(value).__name__} holds no rows")
    rows = rows.toPandas() if hasattr(rows, "toPandas") else rows
    predictions = getattr(value, "predictions", None)
    if isinstance(predictions, str) and predictions in getattr(rows, "columns", ()):
        rows = rows.drop(columns=predictions)  # an earlier model's answers are no inputs
    targets = spec.target or getattr(value, "targets", None)
    if isinstance(targets, str):
        return rows, replace(spec, target=targets)
    return (rows if targets is None else (rows, targets)), spec
