"""Ray Tune's HyperOpt search with ASHA in `race.py`: FOLDER SEED TARGET MAX_EPOCHS."""

from pathlib import Path
from typing import Any

import race_keras
import ray
from ray import tune
from ray.tune.schedulers import ASHAScheduler
from ray.tune.search.hyperopt import HyperOptSearch

CORES = 2
SPACE = {
    "layers": tune.randint(1, 4),
    "units": tune.qrandint(32, 256, 32),
    "dropout": tune.uniform(0.0, 0.5),
    "activation": tune.choice(["relu", "tanh", "elu"]),
    "optimizer": tune.choice(["adam", "rmsprop", "sgd"]),
    "learning_rate": tune.loguniform(1e-4, 1e-1),
    "batch_size": tune.choice([16, 32, 64, 128]),
}


def train(config: dict[str, Any], data: Any, folder: Path, seed: int, target: float, max_epochs: int) -> None:
    import keras

    def report(epoch: int, logs: Any) -> None:
        tune.report({"val_loss": float(logs["val_loss"])})

    keras.utils.set_random_seed(seed)
    (x, y), validation = data
    race_keras.model(config).fit(
        x,
        y,
        validation_data=validation,
        batch_size=config["batch_size"],
        epochs=max_epochs,
        callbacks=[race_keras.watch(folder, target), keras.callbacks.LambdaCallback(on_epoch_end=report)],
        verbose=0,
    )


def main(folder: Path, seed: int, target: float, max_epochs: int) -> None:
    ray.init(num_cpus=CORES, include_dashboard=False, _temp_dir=str(folder))
    known = {"data": race_keras.load(), "folder": folder, "seed": seed}
    trainable = tune.with_parameters(train, **known, target=target, max_epochs=max_epochs)
    how = tune.TuneConfig(
        metric="val_loss",
        mode="min",
        search_alg=HyperOptSearch(random_state_seed=seed),
        scheduler=ASHAScheduler(max_t=max_epochs, grace_period=1, reduction_factor=3),
        num_samples=-1,
        max_concurrent_trials=CORES,
        reuse_actors=True,  # not its default: a process for each trial would import TensorFlow each time
    )
    stored = tune.RunConfig(storage_path=str(folder), name="race", verbose=0)
    tune.Tuner(trainable, param_space=SPACE, tune_config=how, run_config=stored).fit()


if __name__ == "__main__":
    main(*race_keras.arguments())
