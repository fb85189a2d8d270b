"""Reads from a study's run what was asked, and what followed from it, without loading its model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from mlflow_hpo.hardware import gpu_room, usable_cores, visible_gpus
from mlflow_hpo.metric import Constraint, Metric, parse_constraints
from mlflow_hpo.schedulers import Budget, Plan, Scheduler, scheduler
from mlflow_hpo.settings import LOCAL, PROJECT_GRACE, Settings, read_settings
from mlflow_hpo.trial import Trial
from mlflow_hpo.user_code import shown_name

if TYPE_CHECKING:
    from mlflow_hpo.store import StudyRun


@dataclass(frozen=True)
class StudyInfo:
    """A study's settings, and the values that were left open in them, as the study's run records them.

    Attributes:
        settings: what was asked.
        metrics: what is optimised, the first metric first.
        max_epochs: epochs of a fully trained trial.
        max_trials: how many trials there may be: of a grid, no more than it has points.
        at_best: the best epoch's value counts, not the last one's.
        data: the data set's name; empty if the study has none.
        warm_start: the run id of the earlier study that informs the algorithm; empty if there is none.
        code, data_content, scorer, callbacks, options, splits: digests of the model, the data, what computes
            the metric, Keras callbacks, the objects that options stand for and the folds, which Python gave;
            empty if it gave none.
        data_digest: of the rows of data that were given from Python; else empty.
        commit: of a project that was fetched from git; else empty.
    """

    settings: Settings
    metrics: tuple[Metric, ...]
    max_epochs: int
    max_trials: int
    at_best: bool = False
    data: str = ""
    warm_start: str = ""
    code: str = ""
    data_content: str = ""
    scorer: str = ""
    callbacks: str = ""
    options: str = ""
    splits: str = ""
    data_digest: str = ""
    commit: str = ""

    @staticmethod
    def read(settings: Mapping[str, Any], plan: Mapping[str, Any]) -> "StudyInfo":
        """Reads a study's record.

        Raises:
            ConfigError: its settings are not known here.
            ValueError: its plan is damaged.
        """
        metrics = [{"name": name, "maximize": maximize} for name, maximize in plan["metrics"]]
        record = {**plan, "settings": read_settings(settings), "metrics": metrics}
        return _adapter().validate_python(record)

    def record(self) -> dict[str, Any]:
        """Returns all that `read` needs except for the settings, as JSON's types."""
        record = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "settings"}
        return record | {"metrics": [[metric.name, metric.maximize] for metric in self.metrics]}

    def params(self) -> dict[str, Any]:
        """Returns the settings for people, with what was left open in them filled in."""
        filled = {
            "model": self.model,
            "data": self.data or None,
            "callbacks": "from Python" if self.callbacks else self.settings.callbacks,
            "metric": ", ".join(metric.name for metric in self.metrics),
            "max_epochs": self.max_epochs,
            "max_trials": self.max_trials,
            "warm_start": self.warm_start or None,
        }
        return self.settings.dump() | filled

    @property
    def model(self) -> str:
        """The model's name; of a project, the project's."""
        return self.settings.project.name if self.settings.project else shown_name(self.settings.model)

    @property
    def metric(self) -> Metric:
        """The metric that trials are compared by."""
        return self.metrics[0]

    @property
    def is_plain(self) -> bool:
        """Tells whether one metric alone decides."""
        return len(self.metrics) == 1 and not self.constraints

    @cached_property
    def constraints(self) -> tuple[Constraint, ...]:
        """What trials must keep to."""
        return parse_constraints(self.settings.constraints or "")

    @property
    def budget(self) -> Budget:
        """How many trials and epochs the study may spend."""
        return Budget(self.max_trials, self.max_epochs, self.settings.min_epochs, self.settings.eta)

    @cached_property
    def scheduler(self) -> Scheduler:
        """The scheduler, with this study's sizes.

        Raises:
            ConfigError: it cannot work within the budget.
        """
        return scheduler(self.settings.scheduler, self.budget, self.settings.trials_can_pause)

    @cached_property
    def plan(self) -> Plan:
        """The rungs of the scheduler, and what it will spend."""
        return self.scheduler.plan

    @property
    def scores_every_epoch(self) -> bool:
        """Tells whether a trial is scored after each epoch whatever the scheduler."""
        return self.settings.resource in ("auto", "partial_fit")

    @property
    def worker_count(self) -> int:
        """The number of workers."""
        return worker_count(self.settings, self.max_trials)

    @property
    def contents(self) -> tuple[str, ...]:
        """The digests of what Python gave and the study keeps, whatever it is asked to keep."""
        return self.code, self.scorer, self.callbacks, self.options, self.splits

    @property
    def given_in_python(self) -> bool:
        """Tells whether only Python can go on with the study: its data were given there, and are not kept."""
        return bool(self.data_content) and not self.settings.keep_data

    def seconds_left(self, spent: float) -> float | None:
        """Returns the seconds left for a unit of a trial that took `spent` so far; None: no limit."""
        limit = self.settings.trial_timeout
        if limit is None:
            return None
        return max(limit - spent, 0.001) + (PROJECT_GRACE if self.settings.project else 0)

    def value(self, trial: Trial) -> float | None:
        """Returns a trial's metric at its last recorded epoch."""
        return None if trial.loss is None else self.metric.value(trial.loss)


@cache
def _adapter() -> TypeAdapter[StudyInfo]:
    return TypeAdapter(StudyInfo)


def worker_count(settings: Settings, max_trials: int) -> int:
    """Returns how many workers to start at most: as asked, or what fits, but no more than trials."""
    if settings.workers != "auto":
        return min(settings.workers, max_trials)
    if settings.executor != LOCAL:  # the cluster tells
        return max_trials
    by_cores = usable_cores() // (settings.trial_cpus or 1)
    gpus, share = visible_gpus(), settings.trial_gpus
    if not gpus or share == 0:
        return min(max(1, by_cores), max_trials)
    count = gpu_room(gpus, share or 1.0)
    return min(max(1, min(count, by_cores) if settings.trial_cpus else count), max_trials)


def info_of(run: "StudyRun") -> StudyInfo:
    """Reads what a study's run records of its settings and its plan.

    Raises:
        DamagedError: that is not what was written there, or its settings are not known here.
    """
    with run.reading_record():
        return StudyInfo.read(run.settings, run.plan)
