"""Schedulers: pure rules for which unit of work comes next."""

from collections.abc import Callable, Mapping

from mlflow_hpo.errors import unknown
from mlflow_hpo.schedulers.asha import Asha
from mlflow_hpo.schedulers.base import Budget, Plan, Scheduler, onward
from mlflow_hpo.schedulers.full import FullTraining
from mlflow_hpo.schedulers.halving import Bracket, Hyperband, halving
from mlflow_hpo.schedulers.median import MedianStopping
from mlflow_hpo.schedulers.pbt import PopulationBasedTraining

__all__ = [
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
    "halving",
    "onward",
    "scheduler",
]

SCHEDULERS: Mapping[str, Callable[[Budget], Scheduler]] = {
    "none": FullTraining,
    "halving": halving,
    "hyperband": Hyperband,
    "asha": Asha,
    "median": MedianStopping,
    "pbt": PopulationBasedTraining,
}


def scheduler(name: str, budget: Budget) -> Scheduler:
    """The scheduler with this name.

    Raises:
        ConfigError: there is none, or it cannot work within the budget.
    """
    if name not in SCHEDULERS:
        raise unknown("scheduler", name, SCHEDULERS)
    return SCHEDULERS[name](budget)
