"""What is trained on what: all that a process must know to load the model and the data."""

from dataclasses import dataclass, replace
from typing import Any, Self

from mlflow_hpo.data import DataSpec


@dataclass(frozen=True)
class DataInfo:
    """What a driver must know of a study's data.

    Attributes:
        task: classification or regression; empty where there are no data.
        classes: how many; 0 for regression.
        rows: to train on.
    """

    task: str = ""
    classes: int = 0
    rows: int = 0


@dataclass(frozen=True)
class ObjectiveSpec:
    """What a study tunes. Small, hashable, and sent to every worker.

    Attributes:
        model: a built-in model's name, or a reference to the user's code.
        preprocess: what is done to tables, `auto` or `none`.
        resource: what an epoch is, of models that know several (`SklearnObjective`).
        metric: what is optimised; empty where that is not known yet.
        folds, repeats: how often a trial trains its config: on so many folds, with so many seeds.
        project: the MLflow project that is tuned instead of a model, prepared (`Prepared.text`); or empty.
        early_stopping: epochs without a better loss that end a trial's training.
    """

    model: str
    data: DataSpec
    preprocess: str = "auto"
    resource: str = "none"
    metric: str = ""
    maximize: bool = False
    folds: int = 1
    repeats: int = 1
    early_stopping: int | None = None
    project: str = ""

    def with_everything(self) -> Self:
        """The same, on all rows, to train once: the final training of a winner."""
        return replace(self, data=replace(self.data, fraction=1.0), folds=1, repeats=1, early_stopping=None)

    def changed(self, **what: Any) -> Self:
        """The same with other values."""
        return replace(self, **what)
