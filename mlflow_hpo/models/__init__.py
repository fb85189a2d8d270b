"""The built-in models. No framework is imported before a builder is called, so the driver may read this."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow_hpo.data import CLASSIFICATION, REGRESSION
from mlflow_hpo.errors import unknown
from mlflow_hpo.models import cnn, mlp
from mlflow_hpo.models.info import DEFAULT_EPOCHS, EPOCHS, ModelInfo, keyword_defaults
from mlflow_hpo.models.training import train_defaults

__all__ = [
    "BUILDERS",
    "DEFAULT_EPOCHS",
    "EPOCHS",
    "KERAS_METRICS",
    "ModelInfo",
    "builtin_metrics",
    "find_model",
    "is_builtin",
    "keyword_defaults",
]

BUILDERS: Mapping[str, Callable[..., Any]] = {"mlp": mlp.build, "cnn": cnn.build}
KERAS_METRICS = {CLASSIFICATION: "val_accuracy", REGRESSION: "val_loss"}


def is_builtin(name: str) -> bool:
    """Tells whether a model of this name comes with the package."""
    return name in BUILDERS


def find_model(name: str) -> ModelInfo:
    """Returns the built-in model of this name.

    Raises:
        ConfigError: there is none.
    """
    if name not in BUILDERS:
        raise unknown("model", name, (*BUILDERS, "package.module:NAME", "path/to/file.py:NAME"))
    defaults = keyword_defaults(BUILDERS[name]) | train_defaults()
    return ModelInfo(
        name=name,
        defaults=defaults,
        takes=frozenset(defaults),
        space_text=(Path(__file__).parent / f"{name}.yaml").read_text(encoding="utf-8"),
        metric=KERAS_METRICS,
        changeable=("learning_rate", "momentum", "batch_size", "schedule"),
        keeps_best=True,
        epochs_param=EPOCHS,
    )


def builtin_metrics(task: str) -> tuple[str, ...]:
    """Returns the metrics that a built-in model reports after each epoch."""
    metrics = ("loss", "accuracy") if task == CLASSIFICATION else ("loss", "mae")
    return metrics + tuple(f"val_{name}" for name in metrics)
