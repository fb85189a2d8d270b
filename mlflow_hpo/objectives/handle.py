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
    reported: dict[int, Mapping[str, float]] = field(default_factory=dict)
    model_uri: str = ""

    def report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Report the metrics of an epoch, counted from 1.

        Raises:
            NotFiniteError: one of them is NaN or infinite.
        """
        values = {name: float(value) for name, value in metrics.items()}
        self.reported[epoch] = values
        self.on_report(epoch, values)
        for name, value in values.items():
            if not math.isfinite(value):
                raise NotFiniteError(f"{name} became {value} at epoch {epoch}")

    def log_model(self, flavor: str, model: Any, **how: Any) -> None:
        """Log the model as it is now, with one of MLflow's flavors (see `Recorder.model`)."""
        self.model_uri = self.on_model(flavor, model, self.epochs, **how)

    def last(self, metric: str) -> float:
        """The metric at the end of the unit.

        Raises:
            TrialError: it was never reported.
        """
        values = self.reported.get(self.epochs, {})
        if metric not in values:
            known = ", ".join(sorted(values)) or "nothing"
            raise TrialError(f"training reported no {metric!r} at epoch {self.epochs}: it reported {known}")
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
