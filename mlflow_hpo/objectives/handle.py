"""The trial as the user's code sees it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mlflow_hpo.data import Data
from mlflow_hpo.objectives.early_stopping import EarlyStopping
from mlflow_hpo.objectives.progress import Progress, as_numbers, check_metrics, whole_epoch
from mlflow_hpo.objectives.reporter import Reporter
from mlflow_hpo.objectives.scoring import INFERENCE, PARAMETERS, inference_ms
from mlflow_hpo.objectives.suggest import Suggestions
from mlflow_hpo.objectives.unit import UnitContext
from mlflow_hpo.space import Parameter
from mlflow_hpo.trial import Config, epochs_text

LOSS = "loss"  # what a number that is returned is called, unless the study names its metric


@dataclass
class TrainingUnit:
    """A unit under way: what it is to train, and how far it got.

    Attributes:
        fetch: puts the checkpoint of epoch `start` into the folder; None if it is there or there is none.
    """

    context: UnitContext
    reporter: Reporter
    progress: Progress = field(default_factory=Progress)
    fetch: Callable[[], None] | None = None

    def __post_init__(self) -> None:
        if self.context.at_best and self.progress.best is None:
            self.progress.best = self.context.best

    @property
    def config(self) -> Config:
        """The hyperparameters."""
        return self.context.config

    @property
    def seed(self) -> int:
        """The seed for every random generator."""
        return self.context.seed

    @property
    def start(self) -> int:
        """The epoch to train from; 0: from nothing."""
        return self.context.start

    @property
    def epochs(self) -> int:
        """The number of epochs that are to be trained in all, when the unit ends."""
        limit = self.progress.epoch_limit
        return self.context.epochs if limit is None else min(self.context.epochs, limit)

    @property
    def max_epochs(self) -> int:
        """The most epochs a trial may get."""
        return self.context.max_epochs

    @property
    def data(self) -> Data | None:
        """The data set; None if the study has none."""
        return self.context.data

    @property
    def checkpoint(self) -> Path:
        """The checkpoint's folder: holds the checkpoint of epoch `start`, unless that is 0.

        Raises:
            TrialError: the checkpoint cannot be read.
        """
        self.restore()
        return self.context.folder

    def restore(self) -> None:
        """Fetches the checkpoint, if that was not done yet.

        Raises:
            TrialError: it cannot be read.
        """
        if self.fetch is not None:
            self.fetch()
            self.fetch = None

    @property
    def reached(self) -> int:
        """The epochs trained so far."""
        return max(self.progress.reported, default=self.start)

    @property
    def stops(self) -> list[int]:
        """The epochs at which the metric must be reported: rungs within the unit, and its last epoch."""
        return [*(rung for rung in self.context.rungs if self.start < rung < self.epochs), self.epochs]

    def limit(self, epochs: int) -> None:
        """Trains no further than to so many epochs, whatever the scheduler would give."""
        if epochs < self.max_epochs:
            self.progress.epoch_limit = epochs

    @property
    def ended_itself(self) -> bool:
        """Tells whether the training, which has returned, ended by itself before `max_epochs`, for good."""
        return _ended_itself(self)

    @property
    def reason(self) -> str:
        """Says why the training ended by itself or was stopped; empty if it did not."""
        return _reason(self)

    @property
    def where(self) -> str:
        """Says where a training ended that nobody had told to end."""
        return f"ended by itself at epoch {self.reached} of {self.max_epochs}"


@dataclass
class Handle(Suggestions, TrainingUnit):
    """A trial while one unit of it trains, as the user's code sees it."""

    asked: dict[str, tuple[Any, Parameter]] = field(default_factory=dict)
    user_attrs: dict[str, Any] = field(default_factory=dict)

    def report(self, epoch: Any, metrics: Any) -> bool:
        """Reports the metrics of an epoch, counted from 1; epochs up to `start` are ignored, being known.

        `report(value, step)`, Optuna's form, reports a value of the study's metric.

        Returns:
            Whether to train on. After a False, leave the checkpoint and log the model as at the end.

        Raises:
            SetupError: the metric that the study optimises is missing, or `epoch` is below 1.
            NotFiniteError: a metric is NaN or infinite.
        """
        if not isinstance(metrics, Mapping):
            return self._report_value(float(epoch), metrics)
        epoch = whole_epoch(epoch)
        if epoch <= self.start:
            return True
        return self.judge(epoch, self.show(epoch, metrics))

    def should_prune(self) -> bool:
        """Tells whether to end here, as Optuna's objectives ask; never at the last of `max_epochs`."""
        return self.progress.stop_epoch is not None and self.reached < self.max_epochs

    def conclude(self, metrics: Mapping[str, float]) -> None:
        """Makes what an objective that reports in Optuna's form returned its last epoch's metrics."""
        epoch, steps = max(self.reached, 1), len(self.progress.steps)
        self.progress.reported[epoch] = {**self.progress.reported.get(epoch, {}), **metrics}
        self.reporter.on_report(max(epoch, steps), metrics)
        self.judge(epoch, self.progress.reported[epoch])

    def _report_value(self, value: float, step: Any) -> bool:
        """Reports a value of the metric; the first step is epoch 1, whatever its number, and so on."""
        steps, name = self.progress.steps, self.context.metric_name or LOSS
        steps[step] = value
        epoch = [*steps].index(step) + 1
        if epoch <= self.epochs:
            return self.report(epoch, {name: value})
        if self.epochs == self.max_epochs:  # to be seen; what the objective returns counts
            self.reporter.on_report(epoch, {name: value})
        return False

    def show(self, epoch: int, metrics: Mapping[str, float]) -> dict[str, float]:
        """Records the metrics of an epoch; returns them as numbers of Python's.

        Raises:
            SetupError: one is no number.
        """
        values = as_numbers(metrics)
        self.progress.reported[epoch] = values
        self.reporter.on_report(epoch, values)
        return values

    def judge(self, epoch: int, values: Mapping[str, float], counts: float | None = None) -> bool:
        """Decides by the metrics of an epoch whether to train on.

        Args:
            counts: the value of the study's metric that counts; None: the one among the metrics.

        Raises:
            SetupError, NotFiniteError: as `report`.
        """
        metric, progress = self.context.metric, self.progress
        check_metrics(self.context.metric_name, epoch, values)
        if metric is not None:
            value = values[metric.name] if counts is None else counts
            progress.count(epoch, metric, value, self.context.at_best)
            values = {**values, metric.name: progress.counted[epoch]}
        goes_on = self._goes_on(epoch, values)
        if not goes_on and progress.stop_epoch is None:
            progress.stop_epoch = epoch
        return goes_on and epoch < self.epochs

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose value counts, as it is the best so far; None where the last value counts."""
        return self.progress.best[0] if self.progress.best else None

    def log_model(self, flavor: str, model: Any, **options: Any) -> None:
        """Logs the model as it is now, with one of MLflow's flavors (see `Recorder.model`).

        Where the best epoch counts, a model that was logged at that epoch stays the trial's.
        """
        epochs = self.best_epoch or self.reached
        uri = self.reporter.on_model(flavor, model, epochs, **options)
        if not self.progress.model_uri or epochs == self.reached:
            self.progress.model_uri = uri

    def log_cost(self, predict: Callable[[Any], Any], rows: Any, parameters: int | None = None) -> None:
        """Logs what the model costs to use; only in a trial's first unit, since training does not change it.

        Args:
            predict: predicts a batch of rows.
            rows: any rows that it can predict.
            parameters: how many numbers were learned, if the framework counts them.
        """
        if self.start or not len(rows):
            return
        counted = {} if parameters is None else {PARAMETERS: parameters}
        self.reporter.on_cost(self.reached, {INFERENCE: inference_ms(predict, rows), **counted})

    @cached_property
    def _early_stopping(self) -> EarlyStopping:
        return EarlyStopping(self.context, self.checkpoint)

    def _goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        if self.context.early_stopping and (reason := self._early_stopping.reason_to_end(epoch, metrics)):
            self.progress.end(reason)
            return False
        return self.reporter.goes_on(epoch, metrics)


def _ended_itself(trial: TrainingUnit) -> bool:
    progress, reached = trial.progress, trial.reached
    if reached >= trial.max_epochs:
        return False
    untold = reached < trial.epochs and progress.stop_epoch is None
    return progress.ended_itself or reached == progress.epoch_limit or untold


def _reason(trial: TrainingUnit) -> str:
    progress = trial.progress
    if progress.stopped:
        return progress.reason
    if progress.is_whole or not trial.ended_itself:
        return ""
    limited = trial.reached == progress.epoch_limit
    return progress.reason or (f"trained for its {epochs_text(trial.reached)}" if limited else trial.where)
