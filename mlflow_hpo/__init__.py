"""Hyperparameter tuning bolted onto MLflow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_hpo.api import tune as tune
    from mlflow_hpo.api import tune_project as tune_project
    from mlflow_hpo.study.ask_tell import open_study as open_study

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Imports what Python is given only when it is asked for: workers import this package, too."""
    if name in ("tune", "tune_project"):
        from mlflow_hpo import api

        return getattr(api, name)
    if name == "open_study":
        from mlflow_hpo.study import ask_tell

        return ask_tell.open_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
