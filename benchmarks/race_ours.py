"""The project in `race.py`: the command of a study, and what its store says afterwards."""

import sys
from pathlib import Path
from typing import Any

from race_data import name_of

MAX_TRIALS = 400
SPLIT = 0  # the seed of the split of the data, the same for every seed of the race
SPACE = """
layers: {type: int, low: 1, high: 3}
units: {type: int, low: 32, high: 256, step: 32}
dropout: {type: float, low: 0.0, high: 0.5}
activation: [relu, tanh, elu]
optimizer: [adam, rmsprop, sgd]  # momentum: the model's default, 0.9
learning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}
batch_size: [16, 32, 64, 128]
schedule: constant
"""


def command(folder: Path, task: str, max_epochs: int, seed: int, *options: str) -> list[str]:
    """A study with two workers that minimises val_loss."""
    space = folder / "space.yaml"
    space.write_text(SPACE)
    fixed = {"metric": "val_loss", "max-epochs": max_epochs, "seed": seed, "workers": 2, "space": space}
    fixed |= {"data-seed": SPLIT, "data": name_of(task)}
    return [sys.executable, "-m", "mlflow_hpo", "search", *(f"--{k}={v}" for k, v in fixed.items()), *options]


def race_command(folder: Path, task: str, max_epochs: int, seed: int, target: float, *how: str) -> list[str]:
    """A study that ends at the target; `how` are its algorithm and scheduler."""
    algorithm, scheduler = how
    options = (f"--algorithm={algorithm}", f"--scheduler={scheduler}", f"--target={target}")
    return command(folder, task, max_epochs, seed, *options, f"--max-trials={MAX_TRIALS}")


def uri(folder: Path) -> str:
    """The tracking store of the study that runs in the folder."""
    return f"sqlite:///{folder}/mlflow.db"


def losses(folder: Path) -> list[tuple[float, float]]:
    """Every epoch's end and val_loss, in order; of a killed study what had been written."""
    return sorted((m.timestamp / 1000, m.value) for trial in histories(folder) for m in trial)


def histories(folder: Path) -> list[list[Any]]:
    """The val_loss of each trial's epochs, the baseline first."""
    from mlflow_hpo.store import Connection

    client = Connection(uri(folder)).client
    return [list(client.get_metric_history(t.run_id, "val_loss")) for t in _trials(folder)]


def _trials(folder: Path) -> list[Any]:
    from mlflow_hpo.errors import HpoError
    from mlflow_hpo.store import LATEST, Connection, find_study

    try:
        return find_study(Connection(uri(folder)), LATEST).trials.load()
    except HpoError:  # killed before there was one
        return []
