"""Units of training for the tests of objectives, and a reporter that keeps what it is told."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typing_extensions import override

from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.reporter import SilentReporter
from mlflow_hpo.objectives.scoring import read_predictions, scores
from mlflow_hpo.objectives.unit import UnitContext
from mlflow_hpo.store import Connection
from mlflow_hpo.store.models import load_model, log_model


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


class Logging(Reports):
    """Logs models to a store, as a worker does."""

    def __init__(self, connection: Connection, experiment: str) -> None:
        super().__init__()
        self.connection, self._experiment = connection, experiment
        self._run = connection.client.create_run(experiment).info.run_id

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        super().on_model(flavor, model, epochs, **options)
        uri, _ = log_model(self.connection, self._experiment, self._run, flavor, model, epochs, **options)
        return uri


def unit(
    folder: Path,
    start: int = 0,
    epochs: int = 1,
    *,
    reports: Reports | None = None,
    fetch: Callable[[], None] | None = None,
    metric: str | Metric = "",
    **context: Any,
) -> Handle:
    """A unit that trains from `start` to `epochs`; `context`: what else `UnitContext` takes."""
    folder.mkdir(exist_ok=True)
    given = {"config": {}, "seed": 0, "max_epochs": epochs, "data": None, **context}
    named = Metric(metric, maximize=False) if isinstance(metric, str) else metric
    given["metric"] = named if metric else None
    values = UnitContext(start=start, epochs=epochs, folder=folder, **given)
    return Handle(values, reports or Reports(), fetch=fetch)


def reported(trial: Handle) -> dict[int, dict[str, float]]:
    """The metrics of each epoch that the unit reported."""
    return {epoch: dict(values) for epoch, values in trial.progress.reported.items()}


def score_of_logged_model(trial: Handle, connection: Connection, metric: Metric) -> float:
    """A metric of the logged model on the validation rows, by MLflow alone."""
    assert trial.data is not None
    model = load_model("pyfunc", trial.progress.model_uri, connection.uri)
    data = flattened(trial.data) if "sklearn" in model.metadata.flavors else trial.data
    held_out = data.validation
    found = scores(read_predictions(model.predict(held_out.x), data, held_out), data, held_out)
    return found[metric.name.removeprefix("val_")]


def ending(trial: Handle) -> str:
    """Why the training ended by itself; empty if it did not."""
    return trial.reason if trial.ended_itself else ""
