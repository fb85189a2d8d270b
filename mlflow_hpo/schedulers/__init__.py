"""Schedulers: pure rules for which unit of work comes next."""

from collections.abc import Callable, Mapping
from functools import partial

from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.schedulers.asha import Asha
from mlflow_hpo.schedulers.base import Budget, Plan, Scheduler, onward, since_better
from mlflow_hpo.schedulers.halving import Bracket, Hyperband, halving
from mlflow_hpo.schedulers.median import MedianStopping
from mlflow_hpo.schedulers.none import FullTraining
from mlflow_hpo.schedulers.pbt import PopulationBasedTraining
from mlflow_hpo.schedulers.stopping import Stopping, stopping_asha, stopping_median
from mlflow_hpo.vocabulary import scheduler_hint

__all__ = [
    "PBT",
    "SCHEDULERS",
    "Asha",
    "Bracket",
    "Budget",
    "FullTraining",
    "Hyperband",
    "MedianStopping",
    "Plan",
    "PopulationBasedTraining",
    "Scheduler",
    "Stopping",
    "check_scheduler",
    "halving",
    "onward",
    "scheduler",
    "since_better",
]

PBT = "pbt"
SCHEDULERS: Mapping[str, Callable[[Budget], Scheduler]] = {
    "none": FullTraining,
    "halving": halving,
    "hyperband": Hyperband,
    "asha": Asha,
    "median": MedianStopping,
    PBT: PopulationBasedTraining,
}

STOPPING: Mapping[str, Callable[[Budget], Scheduler]] = {  # of trials that leave no checkpoint
    "none": partial(FullTraining, resting=False),
    "asha": stopping_asha,
    "median": stopping_median,
}


def check_scheduler(name: str, resting: bool = True) -> None:
    """Raises ConfigError if no scheduler has this name, or if it is none for trials that cannot rest."""
    if name not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS, scheduler_hint(name))
    if not resting and name not in STOPPING:
        known = ", ".join(STOPPING)
        raise ConfigError(
            f"scheduler: {name!r} lets trials rest and go on, and a process cannot: take {known}"
        )


def scheduler(name: str, budget: Budget, resting: bool = True) -> Scheduler:
    """Returns the scheduler with this name.

    Args:
        resting: whether a trial can go on from where it stopped.

    Raises:
        ConfigError: there is none, or it cannot work within the budget.
    """
    check_scheduler(name, resting)
    if not resting:
        return STOPPING[name](budget)
    return SCHEDULERS[name](budget)
