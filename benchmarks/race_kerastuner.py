"""KerasTuner's Hyperband in `race.py`, over and over until the target: FOLDER SEED TARGET MAX_EPOCHS."""

from pathlib import Path
from typing import Any

import keras
import keras_tuner
import race_keras

ITERATIONS = 1000  # of Hyperband: more than there is time for


class Mlp(keras_tuner.HyperModel):  # type: ignore[misc]
    def build(self, hp: Any) -> Any:
        return race_keras.model(
            {
                "layers": hp.Int("layers", 1, 3),
                "units": hp.Int("units", 32, 256, step=32),
                "dropout": hp.Float("dropout", 0.0, 0.5),
                "activation": hp.Choice("activation", ["relu", "tanh", "elu"]),
                "optimizer": hp.Choice("optimizer", ["adam", "rmsprop", "sgd"]),
                "learning_rate": hp.Float("learning_rate", 1e-4, 1e-1, sampling="log"),
            }
        )

    def fit(self, hp: Any, model: Any, *args: Any, **kwargs: Any) -> Any:
        return model.fit(*args, batch_size=hp.Choice("batch_size", [16, 32, 64, 128]), **kwargs)


def main(folder: Path, seed: int, target: float, max_epochs: int) -> None:
    keras.utils.set_random_seed(seed)
    (x, y), validation = race_keras.load()
    tuner = keras_tuner.Hyperband(
        Mlp(),
        objective="val_loss",
        max_epochs=max_epochs,
        factor=3,
        hyperband_iterations=ITERATIONS,
        seed=seed,
        directory=folder,
        project_name="race",
    )
    watch = race_keras.watch(folder, target)
    tuner.search(x, y, validation_data=validation, callbacks=[watch], verbose=0)


if __name__ == "__main__":
    main(*race_keras.arguments())
