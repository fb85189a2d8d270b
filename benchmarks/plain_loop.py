"""The alternative in `overhead.py`: a plain Keras loop over configurations, with no tracking."""

import json
import sys
from typing import Any

import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from mlflow_hpo.models.mlp import build
from mlflow_hpo.models.training import learning_rate_at


def train(config: dict[str, Any], epochs: int, data: list[Any]) -> float:
    x, validation_x, y, validation_y = data
    shape = {k: config[k] for k in ("layers", "units", "dropout", "activation")}
    model = build(x.shape[1:], 10, **shape)
    momentum = {"momentum": config["momentum"]} if "momentum" in config else {}
    kind = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
    optimizer = kind[config["optimizer"]](learning_rate=config["learning_rate"], **momentum)
    model.compile(optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    schedule = keras.callbacks.LearningRateScheduler(
        lambda epoch: learning_rate_at(epoch, epochs, config["learning_rate"], config["schedule"])
    )
    history = model.fit(
        x,
        y,
        epochs=epochs,
        batch_size=config["batch_size"],
        validation_data=(validation_x, validation_y),
        callbacks=[schedule],
        verbose=0,
    )
    return float(history.history["val_accuracy"][-1])


def main() -> None:
    configs, epochs = json.loads(sys.argv[1]), int(sys.argv[2])
    images, classes = load_digits(return_X_y=True)
    images = (images / 16).astype("float32").reshape(-1, 8, 8, 1)
    x, _, y, _ = train_test_split(images, classes, test_size=0.2, stratify=classes, random_state=0)
    data = train_test_split(x, y, test_size=0.2, stratify=y, random_state=0)
    scores = [train(config, epochs, data) for config in configs]
    print(f"plain loop: best val_accuracy {max(scores):.4f} of {len(scores)} configurations")


if __name__ == "__main__":
    main()
