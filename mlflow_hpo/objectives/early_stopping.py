"""Early stopping within a trial: its state is part of the checkpoint, so that it goes on with the trial."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.handle import Handle

FILE = "patience.json"


class Patience:
    """Knows the lowest loss so far, and how long ago that was."""

    def __init__(self, folder: Path) -> None:
        """The state goes on from what the checkpoint in the folder holds, if anything."""
        self._file = folder / FILE
        known = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._best: float | None = known.get("best")
        self._at: int = known.get("epoch", 0)

    def since(self, epoch: int, loss: float) -> int:
        """Note the loss after an epoch; how many epochs ago the lowest was."""
        if self._best is None or loss < self._best:
            self._best, self._at = loss, epoch
        self._file.write_text(json.dumps({"best": self._best, "epoch": self._at}))
        return epoch - self._at


def early_stopping(
    trial: Handle, epochs: int | None, metric: Metric | None
) -> Callable[[int, Mapping[str, float]], bool]:
    """What decides after each epoch whether the trial trains on: not when so many brought nothing better."""
    if epochs is None or metric is None:
        return lambda epoch, metrics: True
    patience = Patience(trial.checkpoint)

    def goes_on(epoch: int, metrics: Mapping[str, float]) -> bool:
        if patience.since(epoch, metric.loss(metrics[metric.name])) < epochs:
            return True
        place = f"stopped early at epoch {epoch} of {trial.max_epochs}"
        trial.ended = f"{place}: no better {metric.name} for {epochs} epochs"
        return False

    return goes_on
