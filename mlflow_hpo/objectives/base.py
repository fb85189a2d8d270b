"""What every objective does."""

from collections.abc import Callable
from typing import Any, Protocol

from mlflow_hpo.data import Data
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.handle import Handle


class Objective(Protocol):
    """Trains one unit after the other."""

    @property
    def packages(self) -> tuple[str, ...]:
        """The packages its models need, for their requirements and the run's tags."""

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """Returns what the driver must know of the model; `name` is how the user named it."""

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Builds a config's model and tries it on a few rows, as cheaply as that can be done.

        Returns:
            The metrics its training will report; None if only training tells.

        Raises:
            SetupError: the model and the data do not fit.
        """

    def train(self, trial: Handle) -> None:
        """Trains from `trial.start` to `trial.epochs`: reports epochs, leaves a checkpoint, logs a model."""

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """Returns the metrics of a logged model on the test part; `load(flavor)` loads the model."""

    def warm_up(self) -> None:
        """Imports the framework and sets it up; called once in a process."""
