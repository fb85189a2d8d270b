"""Hyperparameter tuning bolted onto MLflow."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow_hpo.api import tune as tune

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`tune`, imported only when it is asked for: workers import this package, too."""
    if name == "tune":
        from mlflow_hpo.api import tune

        return tune
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
