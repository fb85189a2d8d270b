"""What an objective is given: the trial, as the user's code sees it."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlflow_hpo.data import Data
from mlflow_hpo.errors import NotFiniteError, SetupError, TrialError
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.cost import INFERENCE, PARAMETERS, inference_ms
from mlflow_hpo.trial import Config


@dataclass(frozen=True)
class Place:
    """Where a trial is kept, for an objective whose process writes to its run by itself.

    Attributes:
        again: whether an attempt at the unit was cut before, and may have left metrics.
        trial_timeout, spent: seconds for the whole trial, None: no limit; and what earlier units took.
    """

    tracking_uri: str
    experiment_id: str
    study_id: str
    number: int
    again: bool = False
    trial_timeout: float | None = None
    spent: float = 0.0


@dataclass
class Handle:
    """A trial while one unit of it trains.

    Attributes:
        config: its hyperparameters.
        seed: what to seed every random generator with.
        start, epochs: train from epoch `start` (0: afresh) until `epochs` are trained in all.
        max_epochs: how many epochs a trial may get, for schedules that plan ahead.
        data: the data set; None where the study has none.
        folder: what it holds at the end is the checkpoint of the last epoch.
        fetch: lays the checkpoint of epoch `start` there; None where it lies there, or there is none.
        metric: what the study optimises.
        rungs: epochs on the way at which its value must be reported, ascending.
        run_id, source_id: the trial's own run, and the run whose checkpoint it goes on from.
        reported: epoch -> metrics, as far as this unit got.
        limited: the epochs that the config itself asks for, if any.
        ended: why its training ended early, in words; empty where it did not.
        stop_epoch: the epoch whose report was answered by a False; None: none was.
        stopped: where it was ended for good as it fell behind, in words; empty where it was not.
        place: where it is kept; None where it is only tried.
        child_cpu_seconds, child_peak_bytes: what a process of its own used, beside this one.
    """

    config: Config
    seed: int
    start: int
    epochs: int
    max_epochs: int
    data: Data | None
    folder: Path
    on_report: Callable[[int, Mapping[str, float]], None]
    on_model: Callable[..., str]
    on_cost: Callable[[int, Mapping[str, float]], None] = lambda epoch, metrics: None
    goes_on: Callable[[int, Mapping[str, float]], bool] = lambda epoch, metrics: True
    metric: str = ""
    rungs: tuple[int, ...] = ()
    run_id: str = ""
    source_id: str | None = None
    reported: dict[int, Mapping[str, float]] = field(default_factory=dict)
    model_uri: str = ""
    fetch: Callable[[], None] | None = None
    limited: int | None = None
    ended: str = ""
    stop_epoch: int | None = None
    stopped: str = ""
    place: Place | None = None
    child_cpu_seconds: float = 0.0
    child_peak_bytes: int = 0

    def __getattr__(self, name: str) -> Any:
        """Say what to do to whoever brings an objective of Optuna's."""
        if name.startswith("suggest_"):
            raise SetupError(
                f"the objective calls trial.{name}, as Optuna's do: give a space, and read trial.config"
            )
        raise AttributeError(f"a trial has no {name!r}")

    @property
    def checkpoint(self) -> Path:
        """The folder, with the checkpoint of epoch `start` in it where `start` is not 0.

        Raises:
            TrialError: that cannot be read.
        """
        self.restore()
        return self.folder

    def restore(self) -> None:
        """Fetch the checkpoint, if that was not done yet.

        Raises:
            TrialError: it cannot be read.
        """
        if self.fetch is not None:
            self.fetch()
            self.fetch = None

    @property
    def reached(self) -> int:
        """The epochs trained so far."""
        return max(self.reported, default=self.start)

    def limit(self, epochs: int) -> None:
        """The trial trains no further than to so many epochs, whatever the scheduler would give it."""
        if epochs < self.max_epochs:
            self.epochs, self.limited = min(self.epochs, epochs), epochs

    @property
    def over(self) -> str:
        """Why the trial is over before its last epoch, in words; empty where it is not."""
        if self.reached >= self.max_epochs:
            return ""
        if self.ended or self.reached == self.limited:
            return self.ended or f"trained for its {self.limited} epochs"
        return self.itself if self.reached < self.epochs and self.stop_epoch is None else ""

    @property
    def itself(self) -> str:
        """The words for training that ended where nobody told it to."""
        return f"ended by itself at epoch {self.reached} of {self.max_epochs}"

    def report(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Report the metrics of an epoch, counted from 1; those up to `start` are known already.

        Returns:
            Whether to train on. After a False, leave the checkpoint and log the model as at the end.

        Raises:
            SetupError: the metric that the study optimises is not among them, or `epoch` is below 1.
            NotFiniteError: one of them is NaN or infinite.
        """
        epoch = _whole(epoch)
        if epoch <= self.start:  # training that begins anew: what it was told before
            return True
        values = {name: float(value) for name, value in metrics.items()}
        self.reported[epoch] = values
        self.on_report(epoch, values)
        if self.metric and self.metric not in values:
            known = ", ".join(sorted(values)) or "nothing"
            raise SetupError(
                f"training reported no metric {self.metric!r}: it reported {known}; name one as metric"
            )
        for name, value in values.items():
            if not math.isfinite(value):
                raise NotFiniteError(f"{name} became {value} at epoch {epoch}")
        goes_on = self.goes_on(epoch, values)
        if not goes_on and self.stop_epoch is None:
            self.stop_epoch = epoch
        return goes_on and epoch < self.epochs

    def log_model(self, flavor: str, model: Any, **how: Any) -> None:
        """Log the model as it is now, with one of MLflow's flavors (see `Recorder.model`)."""
        self.model_uri = self.on_model(flavor, model, self.reached, **how)

    def log_cost(self, predict: Callable[[Any], Any], rows: Any, parameters: int | None = None) -> None:
        """Log what the model costs whoever uses it; once for a trial, training on does not change it.

        Args:
            predict: predicts a batch of rows.
            rows: any that it can predict.
            parameters: how many numbers were learned, where the framework counts them.
        """
        if self.start or not len(rows):
            return
        found = {INFERENCE: inference_ms(predict, rows)}
        if parameters is not None:
            found[PARAMETERS] = parameters
        self.on_cost(self.reached, found)

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


def _whole(epoch: Any) -> int:
    """The epoch as Python's own number, which is what a store keeps.

    Raises:
        SetupError: it is no whole number from 1 on.
    """
    try:
        number = int(epoch)
    except (TypeError, ValueError, OverflowError):
        number = 0
    if number < 1 or isinstance(epoch, str) or number != epoch:
        raise SetupError(f"trial.report: epochs are whole numbers, counted from 1, not {epoch!r}")
    return number


class Objective(Protocol):
    """Trains one unit."""

    @property
    def packages(self) -> tuple[str, ...]:
        """What its models need, for their requirements and the run's tags."""

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """What a driver must know of the model; `name` is how it was named."""

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Build a config's model and try it on a few rows, as cheaply as that can be done.

        Returns:
            What its training will report; None where only training tells.

        Raises:
            SetupError: the model and the data do not fit.
        """

    def train(self, trial: Handle) -> None:
        """Train from `trial.start` to `trial.epochs`: report epochs, leave a checkpoint, log the model."""

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """The metrics of a logged model on the test part; `load(flavor)` loads it."""

    def warm_up(self) -> None:
        """Import the framework and set it up; once in a process."""
