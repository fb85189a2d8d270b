"""What runs in a worker once a study is over: a look at a logged model, and its scores on the test part."""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from mlflow_hpo.worker.process import data_of, own_errors

if TYPE_CHECKING:
    from mlflow_hpo.data import Data
    from mlflow_hpo.worker.messages import Task


@dataclass(frozen=True)
class Face:
    """What a caller of a model sees: its signature, as text; empty where it has none."""

    inputs: str = ""
    outputs: str = ""


@dataclass(frozen=True)
class ModelEvaluation:
    """What a model is worth on the test part.

    Attributes:
        scores: the metrics of the objective; empty where there is no test part, or they were not asked for.
        rows: see `row_scores`; empty where there is no test part.
        digest: of the data.
        classes: their names in the order of their numbers; () for values.
    """

    scores: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    classes: tuple[str, ...] = ()


@own_errors()
def evaluate_model(task: Task, model_uri: str, scored: bool = True) -> ModelEvaluation:
    """Score a logged model on the test part, which no search sees.

    Args:
        scored: whether the objective's metrics are wanted, too.

    Raises:
        HpoError: it could not be loaded or scored.
    """
    from mlflow_hpo.objectives.find import find_objective
    from mlflow_hpo.objectives.scoring import predict_test_part, row_scores
    from mlflow_hpo.store import flavors_of, load_model

    data = data_of(task.spec)
    if data is None:
        return ModelEvaluation()
    if not len(data.test):
        return ModelEvaluation(digest=data.digest, classes=_classes(data))
    load = partial(load_model, uri=model_uri, tracking_uri=task.tracking_uri)
    scores = find_objective(task.spec).evaluate(load, data) if scored else {}
    with redirect_stdout(io.StringIO()):  # Keras would show its progress
        predictions = predict_test_part(load, flavors_of(model_uri, task.tracking_uri), data)
        rows = row_scores(predictions, data, data.test)
    return ModelEvaluation(scores, rows, data.digest, _classes(data))


@own_errors()
def face(task: Task, model_uri: str) -> Face:
    """What a caller of a logged model sees.

    Raises:
        HpoError: there is no such model.
    """
    from mlflow_hpo.store import signature_of

    return Face(*signature_of(model_uri, task.tracking_uri))


def _classes(data: Data) -> tuple[str, ...]:
    return data.labels or tuple(map(str, range(data.classes)))
