"""Units of training for the tests of objectives, and a reporter that keeps what it is told."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.reporter import SilentReporter
from mlflow_hpo.objectives.unit import UnitContext


class Reports(SilentReporter):
    """Keeps the metrics and the newest model; ends the unit after an epoch, if one is given."""

    def __init__(self, stop_after: int | None = None) -> None:
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.flavor, self.model, self.options = "", None, dict[str, Any]()
        self._stop_after = stop_after

    @override
    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.metrics.append((epoch, dict(metrics)))

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        self.flavor, self.model, self.options = flavor, model, options
        return "models:/kept"

    @override
    def goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        return self._stop_after is None or epoch < self._stop_after


def unit(
    folder: Path,
    start: int = 0,
    epochs: int = 1,
    *,
    reports: Reports | None = None,
    fetch: Callable[[], None] | None = None,
    metric: str = "",
    **context: Any,
) -> Handle:
    """A unit that trains from `start` to `epochs`; `context`: what else `UnitContext` takes."""
    folder.mkdir(exist_ok=True)
    given = {"config": {}, "seed": 0, "max_epochs": epochs, "data": None, **context}
    given["metric"] = Metric(metric, maximize=False) if metric else None
    values = UnitContext(start=start, epochs=epochs, folder=folder, **given)
    return Handle(values, reports or Reports(), fetch=fetch)


def reported(trial: Handle) -> dict[int, dict[str, float]]:
    """The metrics of each epoch that the unit reported."""
    return {epoch: dict(values) for epoch, values in trial.progress.reported.items()}


def ending(trial: Handle) -> str:
    """Why the training ended by itself; empty if it did not."""
    return trial.reason if trial.ended_itself else ""
