"""The settings of a study, checked in one place."""

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationError,
    model_validator,
)

from mlflow_hpo.algorithms import GRID, GRID_POINTS, Algorithm, algorithm, check_algorithm
from mlflow_hpo.data import CLASSIFICATION, DataSpec, check_data
from mlflow_hpo.data import is_builtin as is_named
from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.fields import (
    Count,
    Number,
    Seconds,
    Seed,
    Word,
    check_registration,
    faults,
    is_number,
    more_is_better,
)
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.models import (
    DEFAULT_EPOCHS,
    KERAS_METRICS,
    builtin_metrics,
    find_model,
    is_builtin,
)
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.projects import ProjectSpec, check_options
from mlflow_hpo.schedulers import PBT, Budget, Scheduler, check_scheduler, scheduler
from mlflow_hpo.space import Space
from mlflow_hpo.user_code import GIVEN, check_reference, is_reference

DEFAULT_DATA = "digits"  # of the built-in models
DEFAULT_ALIAS = "champion"
KNOWN_METRICS = builtin_metrics(CLASSIFICATION)  # of the built-in models on the named data sets
# What a resumed study may be given anew: nothing that would change the trials it has.
RESUMABLE = (
    "max_trials",
    "workers",
    "timeout",
    "trial_timeout",
    "target",
    "patience",
    "register",
    "alias",
    "final",
    "top_k",
    "min_gain",
    "confidence",
    "force",
    "keep_models",
)


PROJECT_GRACE = 15.0  # seconds that a trial of a project has to end its process, beyond its limit


class Settings(BaseModel):
    """Everything a study was asked to do. Empty strings mean the default, as MLproject passes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str = "mlp"
    data: Word = None
    target_column: Word = None
    task: str = "auto"
    fraction: float = Field(1.0, gt=0, le=1)
    image_size: int = Field(64, ge=1)
    preprocess: Literal["auto", "none"] = "auto"
    space: Word = None
    algorithm: str = "tpe"
    scheduler: str = "none"
    max_trials: int = Field(20, ge=1)
    max_epochs: Count = None
    resource: str = "auto"
    folds: int = Field(1, ge=1)
    repeats: int = Field(1, ge=1)
    early_stopping: Count = None
    metric: str = ""
    direction: Literal["auto", "minimize", "maximize"] = "auto"
    workers: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    timeout: Seconds = None
    trial_timeout: Seconds = None
    seed: int = Field(0, ge=0, lt=2**32)
    data_seed: Seed = None
    grid_points: int = Field(GRID_POINTS, ge=2)
    min_epochs: int = Field(1, ge=1)
    eta: int = Field(3, ge=2)
    target: Number = None
    patience: Count = None
    start_from: Word = None
    warm_start: Word = None
    register_as: Word = Field(None, alias="register")
    alias: str = DEFAULT_ALIAS

    final: Literal["auto"] | bool = "auto"
    project: ProjectSpec | None = None
    top_k: int = Field(3, ge=1)
    min_gain: float = Field(0.0, allow_inf_nan=False)
    confidence: float = Field(0.95, ge=0.5, lt=1)
    force: bool = False
    keep_models: Literal["all", "best"] | Annotated[int, Field(ge=1)] = "all"

    _places: Mapping[str, str] = PrivateAttr(default_factory=dict)  # of what was given from Python

    @model_validator(mode="before")
    @classmethod
    def _tell_targets_apart(cls, given: Any) -> Any:
        """`target` is the value to stop at where it is a number, else the column to predict."""
        target = given.get("target")
        if not isinstance(target, str) or not target or is_number(target):
            return given
        if given.get("target_column") not in (None, "", target):
            raise ValueError(f"target: with a target-column it is the value to stop at, not {target!r}")
        return {**given, "target": None, "target_column": target}

    def check_names(self) -> None:
        """Raise ConfigError for what can be told to be wrong before anything is loaded."""
        if self.project:
            usual = {f.alias or name: f.default for name, f in Settings.model_fields.items()}
            check_options(self.project, self.dump(), usual)
        else:
            self._check_model()
        check_algorithm(self.algorithm)
        if (self.algorithm, self.scheduler) == (GRID, PBT):
            raise ConfigError("scheduler 'pbt' changes configs while they train, off the grid: take random")
        if self.max_epochs or self.is_known:  # else the model or the space may say how many
            self.make_scheduler()
        else:
            check_scheduler(self.scheduler, self._can_rest)
        if self.is_known and self.task not in ("auto", CLASSIFICATION):
            raise ConfigError(f"task: {self.task!r} does not fit data {self.data!r}, which have classes")
        if self.is_known and self.metric not in ("", *KNOWN_METRICS):
            raise unknown("metric", self.metric, KNOWN_METRICS)
        if self.metric and (self.is_known or self.project):
            _ = self.maximize
        check_registration(self.register_as, self.alias, wanted=["force"] if self.force else [])

    def _check_model(self) -> None:
        if not is_builtin(self.model) and not is_reference(self.model):
            find_model(self.model)
        if not is_builtin(self.model):
            check_reference(self.spec.model, "model")
        if self.target_column and (is_named(self.data or "") or not self.data):
            where = self.data or "no data"
            raise ConfigError(
                f"target: {self.target_column!r} is no number to stop at, and {where} has no columns"
            )
        check_data(self.spec.data)
        if self.folds > 1 and not self.data:
            raise ConfigError(f"folds: {self.folds} folds need data: name a data set")

    def placed(self, **places: str) -> "Settings":
        """The same, with what was given from elsewhere at these places."""
        found = self.model_copy()
        found._places = {**self._places, **places}
        return found

    def seconds_left(self, spent: float) -> float | None:
        """How long a unit may keep its worker, of a trial that took so long already; None: no limit."""
        if self.trial_timeout is None:
            return None
        return max(self.trial_timeout - spent, 0.001) + (PROJECT_GRACE if self.project else 0)

    @property
    def spec(self) -> ObjectiveSpec:
        """What is trained on what."""
        data = DataSpec(
            name=self._places.get("data", self.data or ""),
            seed=self.split_seed,
            target=self.target_column,
            task=self.task,
            fraction=self.fraction,
            image_size=self.image_size,
        )
        whole = self.resource == "auto" and self.scheduler == "none"
        if self.project:
            return ObjectiveSpec(
                model=self.model,
                data=DataSpec(""),
                metric=self.metric,
                maximize=self.maximize,
                early_stopping=self.early_stopping,
                project=self._places.get("project", ""),
            )
        return ObjectiveSpec(
            model=self._places.get("model", self.model),
            data=data,
            preprocess=self.preprocess,
            resource="none" if whole else self.resource,
            metric=self.metric,
            maximize=bool(self._direction),
            folds=self.folds,
            repeats=self.repeats,
            early_stopping=self.early_stopping,
        )

    @property
    def is_known(self) -> bool:
        """Whether model and data come with the package, so that nothing need be loaded to know them."""
        return self.project is None and is_builtin(self.model) and is_named(self.data or "")

    @property
    def from_python(self) -> bool:
        """Whether its model or its data were given from Python, and can be given again only from there."""
        return any((name or "").startswith(GIVEN) for name in (self.model, self.data))

    @property
    def is_scored_at_any(self) -> bool:
        """Whether a trial is scored after each epoch in any case."""
        return self.resource in ("auto", "partial_fit")

    @property
    def wants_final(self) -> bool:
        """Whether the winner is trained once more on all rows; `auto`: where the search had fewer."""
        return self.final is True or (self.final == "auto" and (self.fraction < 1 or self.folds > 1))

    def make_scheduler(self) -> Scheduler:
        """The scheduler, with this study's sizes."""
        if self.min_epochs > self.budget.max_epochs:
            raise ConfigError(f"min-epochs: {self.min_epochs} is above max-epochs, {self.budget.max_epochs}")
        return scheduler(self.scheduler, self.budget, self._can_rest)

    @property
    def _can_rest(self) -> bool:
        """Whether a trial can go on from where it stopped."""
        return self.project is None or self.resource != "auto"

    @property
    def budget(self) -> Budget:
        """What the study may spend."""
        return Budget(self.max_trials, self.epochs, self.min_epochs, self.eta)

    @property
    def epochs(self) -> int:
        """Of a fully trained trial."""
        return self.max_epochs or DEFAULT_EPOCHS

    @property
    def split_seed(self) -> int:
        """What the data are split by."""
        return self.seed if self.data_seed is None else self.data_seed

    def make_algorithm(self, space: Space) -> Algorithm:
        """The search algorithm; imports what it needs.

        Raises:
            ConfigError: it cannot be had, or cannot search the space.
        """
        found = algorithm(self.algorithm, self.grid_points, self.seed)
        found.check(space)
        return found

    @cached_property
    def maximize(self) -> bool:
        """Whether more of the metric is better; `auto` tells by the metric's name.

        Raises:
            ConfigError: it does not tell.
        """
        if self._direction is None:
            raise ConfigError(f"metric {self.metric!r} does not say its direction: give minimize or maximize")
        return self._direction

    @property
    def _direction(self) -> bool | None:
        if self.direction != "auto":
            return self.direction == "maximize"
        return more_is_better(self.metric)

    def loss(self, value: float) -> float:
        """What is minimised: the metric, negated where more is better."""
        return -value if self.maximize else value

    def value(self, loss: float) -> float:
        """The metric again; the inverse of `loss`."""
        return -loss if self.maximize else loss

    @property
    def kept_models(self) -> int | None:
        """How many trials keep their models; None: all."""
        known: dict[int | str, int | None] = {"all": None, "best": 1}
        return known.get(self.keep_models, int(self.keep_models) if self.keep_models not in known else None)

    @property
    def worker_count(self) -> int:
        """How many worker processes: one for each core where `auto`, and no more than trials."""
        wanted = usable_cores() if self.workers == "auto" else self.workers
        return min(wanted, self.max_trials)

    def dump(self) -> dict[str, Any]:
        """The settings as they were given, under the options' names; `project` only where there is one."""
        return self.model_dump(by_alias=True, exclude=None if self.project else {"project"})


def make_settings(options: Mapping[str, Any], places: Mapping[str, str] | None = None) -> Settings:
    """Settings from options by name; of a built-in model and a named data set, complete.

    Args:
        places: where the workers find what was given from Python: `model`, `data`.

    Raises:
        ConfigError: one clause for each option that is wrong, with its value and what would be right.
    """
    settings = read_settings(options)
    settings._places = places or {}
    if settings.project:
        return _of_project(settings, settings.project)
    if is_builtin(settings.model) and settings.data is None:
        settings = settings.model_copy(update={"data": DEFAULT_DATA})
    settings.check_names()
    if not settings.is_known:
        return settings
    metric = settings.metric or KERAS_METRICS[CLASSIFICATION]
    return settings.model_copy(update={"metric": metric, "max_epochs": settings.epochs})


def _of_project(settings: Settings, project: ProjectSpec) -> Settings:
    settings.check_names()
    steps = 1 if settings.max_epochs is None and settings.resource == "auto" else settings.max_epochs
    return settings.model_copy(update={"model": project.name, "max_epochs": steps})


def read_settings(options: Mapping[str, Any]) -> Settings:
    """Settings as a study has them: their names, files and code need not exist here.

    Raises:
        ConfigError: one clause for each option that is wrong, with its value and what would be right.
    """
    try:
        return Settings(**options)
    except ValidationError as error:
        raise ConfigError("; ".join(faults(error))) from None
