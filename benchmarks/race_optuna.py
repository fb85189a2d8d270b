"""Optuna's TPE and Hyperband in `race.py`, two processes with one study: FOLDER SEED TARGET MAX_EPOCHS."""

from multiprocessing import get_context
from pathlib import Path
from typing import Any

import race_keras

WORKERS = 2


def suggest(trial: Any) -> dict[str, Any]:
    return {
        "layers": trial.suggest_int("layers", 1, 3),
        "units": trial.suggest_int("units", 32, 256, step=32),
        "dropout": trial.suggest_float("dropout", 0.0, 0.5),
        "activation": trial.suggest_categorical("activation", ["relu", "tanh", "elu"]),
        "optimizer": trial.suggest_categorical("optimizer", ["adam", "rmsprop", "sgd"]),
        "learning_rate": trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True),
        "batch_size": trial.suggest_categorical("batch_size", [16, 32, 64, 128]),
    }


def study(folder: Path, seed: int, max_epochs: int) -> Any:
    """The study that the processes share; each has a sampler with a seed of its own."""
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(
        study_name="race",
        storage=JournalStorage(JournalFileBackend(str(folder / "journal.log"))),
        sampler=optuna.samplers.TPESampler(seed=seed),
        pruner=optuna.pruners.HyperbandPruner(min_resource=1, max_resource=max_epochs, reduction_factor=3),
        load_if_exists=True,
    )


def work(folder: Path, seed: int, target: float, max_epochs: int) -> None:
    import keras
    from optuna_integration.keras import KerasPruningCallback

    keras.utils.set_random_seed(seed)
    (x, y), validation = race_keras.load()
    watch = race_keras.watch(folder, target)

    def objective(trial: Any) -> float:
        keras.backend.clear_session()
        config = suggest(trial)
        history = race_keras.model(config).fit(
            x,
            y,
            validation_data=validation,
            batch_size=config["batch_size"],
            epochs=max_epochs,
            callbacks=[watch, KerasPruningCallback(trial, "val_loss")],
            verbose=0,
        )
        return float(history.history["val_loss"][-1])

    study(folder, seed, max_epochs).optimize(objective)


def main(folder: Path, seed: int, target: float, max_epochs: int) -> None:
    context = get_context("spawn")
    seeds = [WORKERS * seed + i for i in range(WORKERS)]
    workers = [context.Process(target=work, args=(folder, s, target, max_epochs)) for s in seeds]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


if __name__ == "__main__":
    main(*race_keras.arguments())
