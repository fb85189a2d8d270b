"""Hyperparameter tuning bolted onto MLflow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_hpo.api import tune as tune
    from mlflow_hpo.api import tune_project as tune_project

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports `tune` and `tune_project` only when they are asked for: workers import this package, too."""
    if name in ("tune", "tune_project"):
        from mlflow_hpo import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
