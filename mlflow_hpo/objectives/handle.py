"""What an objective is given: the trial, as the user's code sees it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from mlflow_hpo.datasets import Data
from mlflow_hpo.errors import NotFiniteError, TrialError
from mlflow_hpo.trial import Config


@dataclass
class Handle:
    """A trial while one unit of it trains.

    Attributes:
        config: its hyperparameters.
        seed: what to seed every random generator with.
        start, epochs: train from epoch `start` (0: afresh) until `epochs` are trained in all.
        max_epochs: how many epochs a trial may get, for schedules that plan ahead.
        run_id, source_id: the trial's own run, and the run whose checkpoint it goes on from.
        data: the data set.
        checkpoint: a folder. It holds the checkpoint of epoch `start` where `start` is not 0; what it
            holds at the end is the checkpoint of epoch `epochs`.
        reported: epoch -> metrics, as far as this unit got.
    """

    config: Config
    seed: int
    start: int
    epochs: int
    max_epochs: int
    data: Data
    checkpoint: Path
    on_report: Callable[[int, Mapping[str, float]], None]
    on_model: Callable[..., str]
    goes_on: Callable[[int, Mapping[str, float]], bool] = lambda epoch, metrics: True
    run_id: str = ""
    source_id: str | None = None
    reported: dict[int, Mapping[str, float]] = field(default_factory=dict)
    model_uri: str = ""

    @property
    def reached(self) -> int:
        """The epochs trained so far."""
        return max(self.reported, default=self.start)

    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Report the metrics of an epoch, counted from 1.

        Returns:
            Whether to train on. After a False, leave the checkpoint and log the model as at the end.

        Raises:
            NotFiniteError: one of them is NaN or infinite.
        """
        values = {name: float(value) for name, value in metrics.items()}
        self.reported[epoch] = values
        self.on_report(epoch, values)
        for name, value in values.items():
            if not math.isfinite(value):
                raise NotFiniteError(f"{name} became {value} at epoch {epoch}")
        return epoch < self.epochs and self.goes_on(epoch, values)

    def log_model(self, flavor: str, model: Any, **how: Any) -> None:
        """Log the model as it is now, with one of MLflow's flavors (see `Recorder.model`)."""
        self.model_uri = self.on_model(flavor, model, self.reached, **how)

    def value(self, metric: str, epoch: int) -> float:
        """The metric at an epoch.

        Raises:
            TrialError: it was not reported there.
        """
        values = self.reported.get(epoch, {})
        if metric not in values:
            known = ", ".join(sorted(values)) or "nothing"
            raise TrialError(f"training reported no {metric!r} at epoch {epoch}: it reported {known}")
        return values[metric]


class Objective(Protocol):
    """Trains one unit.

    Attributes:
        flavor: the MLflow flavor that its models are logged and loaded with.
    """

    flavor: ClassVar[str]

    def train(self, trial: Handle) -> None:
        """Train from `trial.start` to `trial.epochs`: report epochs, leave a checkpoint, log the model."""

    def evaluate(self, model: Any, data: Data) -> dict[str, float]:
        """The metrics of a trained model on the test part."""

    def warm_up(self) -> None:
        """Import the framework and set it up; once in a process."""
