"""The settings of a study, checked in one place."""

import re
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mlflow_hpo.algorithms import GRID_POINTS, Algorithm, algorithm, check_algorithm
from mlflow_hpo.datasets import DataSpec, check_data
from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.models import Model, find_model
from mlflow_hpo.schedulers import Budget, Scheduler, scheduler
from mlflow_hpo.space import Space

MINIMIZED = ("loss", "error", "mse", "mae", "rmse", "mape", "crossentropy", "deviance")
MAXIMIZED = ("acc", "auc", "f1", "precision", "recall", "r2", "score", "iou", "dice")

USUAL_ALIASES = ("challenger", "champion")

# What a resumed study may be given anew: nothing that would change the trials it has.
RESUMABLE = ("max_trials", "workers", "timeout", "trial_timeout", "target", "patience", "register", "alias")


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[_Positive | None, BeforeValidator(_blank_is_none)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_blank_is_none)]
Count = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_blank_is_none)]
Seed = Annotated[Annotated[int, Field(ge=0, lt=2**32)] | None, BeforeValidator(_blank_is_none)]
Word = Annotated[str | None, BeforeValidator(_blank_is_none)]


class Settings(BaseModel):
    """Everything a study was asked to do. Empty strings mean the default, as MLproject passes them."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    model: str = "mlp"
    data: str = "digits"
    space: Word = None
    algorithm: str = "tpe"
    scheduler: str = "none"
    max_trials: int = Field(20, ge=1)
    max_epochs: int = Field(10, ge=1)
    metric: str = "val_accuracy"
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
    alias: str = "champion"

    def check_names(self) -> None:
        """Raise ConfigError for a name that is in no registry, or a metric without a direction."""
        model = self.found_model
        check_data(DataSpec(self.data))
        check_algorithm(self.algorithm)
        self.make_scheduler()
        if self.metric not in model.metrics:
            raise unknown("metric", self.metric, model.metrics)
        _ = self.maximize
        check_registration(self.register_as, self.alias)

    @property
    def found_model(self) -> Model:
        """The model that is tuned."""
        return find_model(self.model)

    def make_scheduler(self) -> Scheduler:
        """The scheduler, with this study's sizes."""
        if self.min_epochs > self.max_epochs:
            raise ConfigError(f"min-epochs: {self.min_epochs} is above max-epochs, {self.max_epochs}")
        return scheduler(self.scheduler, self.budget)

    @property
    def budget(self) -> Budget:
        """What the study may spend."""
        return Budget(self.max_trials, self.max_epochs, self.min_epochs, self.eta)

    @property
    def split_seed(self) -> int:
        """What the data are split by."""
        return self.seed if self.data_seed is None else self.data_seed

    def check_space(self, space: Space) -> None:
        """Raise ConfigError where the model or the scheduler has no use for the space."""
        model = self.found_model
        model.check(space)
        if self.scheduler == "pbt" and not space.names() & set(model.changeable):
            raise ConfigError(
                f"scheduler 'pbt' changes {', '.join(model.changeable)} while a trial trains, "
                f"and the space has none of them"
            )

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
        """Whether more of the metric is better; `auto` tells by the metric's name."""
        if self.direction != "auto":
            return self.direction == "maximize"
        name = self.metric.lower()
        if any(word in name for word in MINIMIZED):
            return False
        if any(word in name for word in MAXIMIZED):
            return True
        raise ConfigError(f"metric {self.metric!r} does not say its direction: give minimize or maximize")

    def loss(self, value: float) -> float:
        """What is minimised: the metric, negated where more is better."""
        return -value if self.maximize else value

    def value(self, loss: float) -> float:
        """The metric again; the inverse of `loss`."""
        return -loss if self.maximize else loss

    @property
    def worker_count(self) -> int:
        """How many worker processes: one for each core where `auto`, and no more than trials."""
        wanted = usable_cores() if self.workers == "auto" else self.workers
        return min(wanted, self.max_trials)

    def dump(self) -> dict[str, Any]:
        """The settings as they were given, under the options' names."""
        return self.model_dump(by_alias=True)


def check_registration(name: str | None, alias: str) -> None:
    """Raise ConfigError where MLflow's registry would refuse the model's name or the alias."""
    if name is not None and (not name.strip() or set(name) & set("/:")):
        raise ConfigError(f"register: {name!r} is no name for a model: it is blank or holds / or :")
    reserved = alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias)
    if reserved or not re.fullmatch(r"[\w\-]{1,255}", alias):
        raise ConfigError(
            f"alias: {alias!r} is no alias: take letters, digits, - and _, but not latest or v1; "
            f"known are {', '.join(USUAL_ALIASES)}"
        )


def make_settings(options: dict[str, Any]) -> Settings:
    """Settings from options by name.

    Raises:
        ConfigError: one clause for each option that is wrong, with its value and what would be right.
    """
    try:
        settings = Settings(**options)
    except ValidationError as error:
        raise ConfigError("; ".join(_faults(error))) from None
    settings.check_names()
    return settings


def _faults(error: ValidationError) -> list[str]:
    found: dict[str, str] = {}
    for fault in error.errors():
        name = str(fault["loc"][0])
        message = fault["msg"][0].lower() + fault["msg"][1:]
        if name == "workers":
            message = "must be auto or a whole number of at least 1"
        found[name] = f"{name.replace('_', '-')}: {message}, not {fault['input']!r}"
    return list(found.values())
