"""Early stopping within a trial. Its state is part of the checkpoint, so that it goes on with the trial."""

import json
from collections.abc import Mapping
from pathlib import Path

from mlflow_hpo.objectives.unit import UnitContext
from mlflow_hpo.trial import epochs_text

FILE = "patience.json"


class EarlyStopping:
    """Ends a training whose metric has not improved for `unit.early_stopping` epochs."""

    def __init__(self, unit: UnitContext, checkpoint: Path) -> None:
        """Starts from the state in the checkpoint's folder, if there is one."""
        self._unit, self._file = unit, checkpoint / FILE
        state = json.loads(self._file.read_text()) if self._file.exists() else {}
        self._best: float | None = state.get("best")
        self._best_epoch: int = state.get("epoch", 0)

    def reason_to_end(self, epoch: int, metrics: Mapping[str, float]) -> str:
        """Notes the metrics of an epoch; returns why the training ends after it, empty if it goes on."""
        unit, metric = self._unit, self._unit.metric
        if unit.early_stopping is None or metric is None:
            return ""
        loss = metric.loss(metrics[metric.name])
        if self._best is None or loss < self._best:
            self._best, self._best_epoch = loss, epoch
        self._file.write_text(json.dumps({"best": self._best, "epoch": self._best_epoch}))
        if epoch - self._best_epoch < unit.early_stopping:
            return ""
        where = f"stopped early at epoch {epoch} of {unit.max_epochs}"
        return f"{where}: no better {metric.name} for {epochs_text(unit.early_stopping)}"
