"""What the peers of `race.py` share: the data, a Keras model as people write it, the watch for the target."""

import math
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import race_data

PROGRESS, MARK = "progress.txt", "reached.txt"


def arguments() -> tuple[Path, int, float, int]:
    """Of a peer's script: its folder, the seed, the target, the most epochs of a trial."""
    folder, seed, target, max_epochs = sys.argv[1:]
    return Path(folder), int(seed), float(target), int(max_epochs)


def load() -> tuple[Any, Any]:
    """The project's own split, as NumPy arrays: what to train on, what to validate with."""
    data = race_data.load()
    return (data.train.x, data.train.y), (data.validation.x, data.validation.y)


def model(config: Mapping[str, Any]) -> Any:
    """The project's mlp, compiled."""
    import keras

    from mlflow_hpo.models.mlp import build

    shape = {k: config[k] for k in ("layers", "units", "dropout", "activation")}
    data = race_data.load()
    built = build(data.shape, data.classes, **shape)
    momentum = {"momentum": 0.9} if config["optimizer"] == "sgd" else {}
    kind = {"adam": keras.optimizers.Adam, "rmsprop": keras.optimizers.RMSprop, "sgd": keras.optimizers.SGD}
    optimizer = kind[config["optimizer"]](learning_rate=config["learning_rate"], **momentum)
    built.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return built


def watch(folder: Path, target: float) -> Any:
    """A callback that notes every epoch's val_loss, and the moment when the target is reached."""
    from keras.callbacks import Callback

    class Watch(Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            _note(folder, target, float(logs["val_loss"]))

    return Watch()


def _note(folder: Path, target: float, loss: float) -> None:
    now = time.time()
    with (folder / PROGRESS).open("a") as progress:
        progress.write(f"{now!r} {loss!r}\n")
    if loss <= target and not (folder / MARK).exists():
        new = folder / f"{MARK}.{now!r}"
        new.write_text(repr(now))
        new.replace(folder / MARK)


def marked(folder: Path) -> float | None:
    """When the target was reached, if it was."""
    mark = folder / MARK
    return float(mark.read_text()) if mark.exists() else None


def losses(folder: Path) -> list[tuple[float, float]]:
    """Every epoch's end and val_loss, in order."""
    progress = folder / PROGRESS
    lines = progress.read_text().splitlines() if progress.exists() else []
    pairs = [(float(at), float(loss)) for at, loss in (line.split() for line in lines)]
    return sorted(pair for pair in pairs if math.isfinite(pair[1]))
