"""How the built-in models are trained: their optimizer and their learning-rate schedule."""

import inspect
import math
from typing import Any

from mlflow_hpo.errors import TrialError

CYCLE_EPOCHS = 4  # one triangle of the cyclic schedule
FLOOR = 0.1  # the cyclic schedule's lowest learning rate, as a part of the highest


def compile_model(
    model: Any,
    classes: int,
    variance: float,
    *,
    optimizer: str = "adam",
    momentum: float = 0.9,
    learning_rate: float = 1e-3,
) -> None:
    """Compile for so many classes, or for regression where there are none.

    The loss of a regression is the squared error as a part of the targets' variance, so that the same
    learning rates serve whatever the targets' unit is; 1 is what their mean would score.

    Raises:
        TrialError: Keras knows no such optimizer.
    """
    import keras

    options = {"momentum": momentum} if optimizer == "sgd" else {}
    try:
        tool = keras.optimizers.get(
            {"class_name": optimizer, "config": {"learning_rate": learning_rate} | options}
        )
    except (ValueError, TypeError):
        raise TrialError(f"Keras knows no optimizer {optimizer!r}") from None
    if classes:
        model.compile(tool, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    else:
        model.compile(tool, loss="mse", loss_weights=1 / variance, metrics=["mae"])


def learning_rate_at(epoch: int, epochs: int, base: float, schedule: str) -> float:
    """The learning rate of one epoch, a pure function, so that a unit may start anywhere.

    `cosine` falls from the base towards 0 over all epochs (Loshchilov and Hutter 2017, without
    restarts); `cyclic` swings between the base and a tenth of it in triangles (Smith 2017).

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
    """The hyperparameters of training and their defaults."""
    parameters = inspect.signature(compile_model).parameters.values()
    own = {p.name: p.default for p in parameters if p.default is not p.empty}
    return own | {"batch_size": 32, "schedule": "constant"}
