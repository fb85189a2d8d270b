"""Compiles the built-in models and gives their learning rate in each epoch."""

import math
from typing import Any

from mlflow_hpo.errors import TrialError
from mlflow_hpo.models.info import keyword_defaults

CYCLE_EPOCHS = 4  # one triangle of the cyclic schedule
FLOOR = 0.1  # lowest learning rate of the cyclic schedule, as a fraction of the highest


def compile_model(
    model: Any,
    classes: int,
    variance: float,
    *,
    optimizer: str = "adam",
    momentum: float = 0.9,
    learning_rate: float = 1e-3,
) -> None:
    """Compiles a Keras model for classification, or for regression if `classes` is 0.

    The loss of a regression is the squared error divided by the variance of the targets, so that the same
    learning rates work whatever the unit of the targets is. Predicting their mean has a loss of 1.

    Args:
        variance: of the targets; used for regression only.

    Raises:
        TrialError: Keras has no such optimizer.
    """
    import keras

    options = {"momentum": momentum} if optimizer == "sgd" else {}
    try:
        chosen = keras.optimizers.get(
            {"class_name": optimizer, "config": {"learning_rate": learning_rate} | options}
        )
    except (ValueError, TypeError):
        raise TrialError(f"Keras knows no optimizer {optimizer!r}") from None
    if classes:
        model.compile(chosen, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    else:
        model.compile(chosen, loss="mse", loss_weights=1 / variance, metrics=["mae"])


def learning_rate_at(epoch: int, epochs: int, base: float, schedule: str) -> float:
    """Returns the learning rate of one epoch. It depends on no earlier epoch, so a unit may start at any.

    `cosine` falls from the base towards 0 over all epochs (Loshchilov and Hutter 2017, without restarts);
    `cyclic` swings between the base and a tenth of it in triangles (Smith 2017).

    Args:
        epoch: counted from 0.
        epochs: of the whole trial.

    Raises:
        TrialError: there is no such schedule.
    """
    if schedule == "constant":
        return base
    if schedule == "cosine":
        return base * (1 + math.cos(math.pi * epoch / epochs)) / 2
    if schedule == "cyclic":
        height = abs(1 - (epoch % CYCLE_EPOCHS) / (CYCLE_EPOCHS / 2))
        return base * (FLOOR + (1 - FLOOR) * height)
    raise TrialError(f"unknown schedule {schedule!r}: known are constant, cosine, cyclic")


def train_defaults() -> dict[str, Any]:
    """Returns the hyperparameters of training with their defaults."""
    return keyword_defaults(compile_model) | {"batch_size": 32, "schedule": "constant"}
