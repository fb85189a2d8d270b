"""The input of one unit of training."""

from dataclasses import dataclass
from pathlib import Path

from mlflow_hpo.data import Data
from mlflow_hpo.metric import Metric
from mlflow_hpo.trial import Config


@dataclass(frozen=True)
class RunLocation:
    """Where a trial is stored, for an objective whose process writes to the trial's run by itself.

    Attributes:
        number: the trial's number in the study.
        retried: whether an earlier attempt at the unit was cut and may have left metrics.
        trial_timeout: seconds for the whole trial; None: no limit.
        seconds: seconds that the trial's earlier units took.
    """

    tracking_uri: str
    experiment_id: str
    study_id: str
    number: int
    retried: bool = False
    trial_timeout: float | None = None
    seconds: float = 0.0


@dataclass(frozen=True)
class UnitContext:
    """One unit of a trial, as an objective receives it.

    Attributes:
        config: the trial's hyperparameters.
        seed: the seed for every random generator.
        start, epochs: train from epoch `start` (0: from nothing) until `epochs` are trained in all.
        max_epochs: the most epochs a trial may get, for schedules that plan ahead.
        data: the data set; None if the study has none.
        folder: its content at the end is the checkpoint of the last epoch.
        metric: the metric that must be reported; None if any will do.
        metrics: the names of all that the study optimises, in the order of a tuple that is returned.
        at_best: the best epoch's value counts, not the last one's.
        best: the best epoch of the trial's earlier units, and its loss; None if there are none.
        early_stopping: epochs without a better value that end the training; None: it is not ended.
        rungs: epochs within the unit at which the metric must be reported, ascending.
        run_id, source_id: the trial's run, and the run whose checkpoint the unit starts from.
        asks: seed of the hyperparameters that the objective asks for and nobody proposed; None: a space was
            given, and answers.
        location: where the run is stored; None if the config is only tried.
    """

    config: Config
    seed: int
    start: int
    epochs: int
    max_epochs: int
    data: Data | None
    folder: Path
    metric: Metric | None = None
    metrics: tuple[str, ...] = ()
    at_best: bool = False
    best: tuple[int, float] | None = None
    early_stopping: int | None = None
    rungs: tuple[int, ...] = ()
    run_id: str = ""
    source_id: str | None = None
    asks: int | None = None
    location: RunLocation | None = None

    @property
    def metric_name(self) -> str:
        """The name of the metric that must be reported; empty if any will do."""
        return self.metric.name if self.metric else ""
