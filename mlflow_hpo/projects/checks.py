"""Refuses settings that do not fit a study of an MLflow project."""

from collections.abc import Mapping
from typing import Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.projects.spec import ProjectSpec

# Settings that a project has no use for, because it loads its data and its model itself.
FOREIGN = (
    "data",
    "target_column",
    "read_options",
    "task",
    "positive_class",
    "weight_column",
    "group_column",
    "time_column",
    "part_column",
    "class_weight",
    "fraction",
    "image_size",
    "preprocess",
    "folds",
    "repeats",
    "data_seed",
    "final",
    "callbacks",
)


def check_options(project: ProjectSpec, given: Mapping[str, Any], usual: Mapping[str, Any]) -> None:
    """Raises ConfigError if a setting does not fit the project.

    Args:
        given: the study's settings.
        usual: their defaults.
    """
    if given["model"] not in (project.name, usual["model"]):
        raise ConfigError(
            f"model: {given['model']!r} is not for project {project.name!r}, which brings its own"
        )
    for name in FOREIGN:
        if given[name] != usual[name]:
            option = name.replace("_", "-")
            raise ConfigError(
                f"{option}: {given[name]!r} is not for projects, which bring their own data and training"
            )
    if not given["metric"]:
        raise ConfigError("metric: name the metric of the project that is to be optimised")
    if given["scheduler"] == "pbt":
        raise ConfigError(
            "scheduler: 'pbt' changes trials while they train, and a project's process cannot be changed: "
            "take none, asha or median"
        )
    _check_steps(given)


def _check_steps(given: Mapping[str, Any]) -> None:
    by_budget = given["resource"] != "auto"
    if by_budget and given["early_stopping"]:
        raise ConfigError("early-stopping: it is for a project's steps, not for one with a resource")
    if by_budget or given["max_epochs"] is not None:
        return
    for name, value in (("scheduler", given["scheduler"]), ("early-stopping", given["early_stopping"])):
        if value not in ("none", None):
            raise ConfigError(
                f"{name}: {value!r} needs max-epochs, how many steps the project logs {given['metric']} at, "
                "or a resource, the parameter that is its budget"
            )
