"""What a process must know to load the model and the data of a study."""

from dataclasses import dataclass, replace
from typing import Self

from mlflow_hpo.data import DataSpec
from mlflow_hpo.metric import Metric


@dataclass(frozen=True)
class DataInfo:
    """What a driver must know of a study's data.

    Attributes:
        task: classification or regression; empty if there are no data.
        classes: how many; 0 for regression.
        rows: to train on, of a stream; else 0.
        digest: of their content.
        validates: whether there are rows to validate on, or folds are to be cut.
        apart: why streams cannot be joined for a final training; or empty.
    """

    task: str = ""
    classes: int = 0
    rows: int = 0
    digest: str = ""
    validates: bool = True
    apart: str = ""


@dataclass(frozen=True)
class ObjectiveSpec:
    """What a study tunes: small, hashable, and sent to every worker.

    Attributes:
        model: a built-in model's name, or a reference to the user's code.
        code: the digest of a model that was given from Python (`user_code.load_code`); empty if it is named.
        preprocess: what is done to tables, `auto` or `none`.
        resource: what an epoch is, of models that know several (`SklearnObjective`).
        metric: what is optimised first; None while the metric is not known.
        others: the names of further metrics that trials are judged by.
        returned: the names of the metrics in the order in which a function returns their values.
        at_best: the best epoch's value counts, and its model is logged; not the last epoch's.
        scorer: the digest of what computes the metric, if Python gave that; or empty.
        callbacks, callbacks_code: Keras callbacks by name, and their digest if Python gave them; or empty.
        options: the digest of the objects that options stand for, if Python gave any; or empty.
        paths: of the hyperparameters that the user's code is given in nested dicts.
        folds, repeats: how often a trial trains its config: on so many folds, with so many seeds.
        early_stopping: epochs without a better loss that end a trial's training.
        asks: no space was given: what an objective asks for as it runs is the space.
        project: the MLflow project that is tuned instead of a model, prepared (`Prepared.text`); or empty.
    """

    model: str
    data: DataSpec
    code: str = ""
    preprocess: str = "auto"
    resource: str = "none"
    metric: Metric | None = None
    others: tuple[str, ...] = ()
    returned: tuple[str, ...] = ()
    at_best: bool = False
    scorer: str = ""
    callbacks: str = ""
    callbacks_code: str = ""
    options: str = ""
    paths: tuple[tuple[str, ...], ...] = ()
    folds: int = 1
    repeats: int = 1
    early_stopping: int | None = None
    asks: bool = False
    project: str = ""

    def with_everything(self) -> Self:
        """Returns the spec of a winner's final training: on all rows, once."""
        data = replace(self.data, fraction=1.0)
        return replace(self, data=data, at_best=False, folds=1, repeats=1, early_stopping=None)
