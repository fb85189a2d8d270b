"""Evaluates a logged model, in a worker: its signature, and its scores on the test part."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import TrialError
from mlflow_hpo.worker.startup import data_of, own_errors, user_errors

if TYPE_CHECKING:
    from mlflow_hpo.data import Data
    from mlflow_hpo.worker.messages import Task


@dataclass(frozen=True)
class Signature:
    """What a model takes and what it returns, as JSON; empty if that is not known."""

    inputs: str = ""
    outputs: str = ""


@dataclass(frozen=True)
class ModelEvaluation:
    """A model's signature and its worth on the test part.

    Attributes:
        scores: the metrics of the objective; empty if there is no test part, or they were not asked for.
        rows: see `row_scores`; empty if there is no test part.
        digest: the digest of the data.
        held_out: the digest of the test rows alone.
        classes: the names of the classes in the order of their numbers; () for values.
        searched: a sketch of the rows of training and validation.
        is_new: none of the test rows is among those that another sketch stands for, as far as that tells.
        failure: why the model could not be scored, for people; empty if it was, or there is no test part.
    """

    signature: Signature = Signature()
    scores: Mapping[str, float] = field(default_factory=dict)
    rows: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    held_out: str = ""
    searched: str = ""
    is_new: bool = False
    classes: tuple[str, ...] = ()
    failure: str = ""


@own_errors()
def evaluate_model(
    task: Task, model_uri: str, scored: bool = True, expected: Signature | None = None, seen: str = ""
) -> ModelEvaluation:
    """Reads a logged model's signature and scores the model on the test part, which no search sees.

    Args:
        scored: whether the objective's metrics are wanted, too.
        expected: a model with another signature is not scored, since it may not take the rows.
        seen: a sketch of the rows that the model was searched with; empty if there is none.

    Raises:
        HpoError: the model or the data cannot be read.
    """
    from mlflow_hpo.store import signature_of

    signature = Signature(*signature_of(model_uri, task.tracking_uri))
    data = data_of(task.spec)
    if data is None:
        return ModelEvaluation(signature)
    classes = data.labels or tuple(map(str, range(data.classes)))
    evaluation = replace(_of_rows(data, seen), signature=signature, classes=classes)
    if not len(data.test):
        return evaluation
    if expected not in (None, signature):
        return replace(evaluation, failure="it has another signature")
    try:
        with user_errors():
            return _scored(evaluation, task, model_uri, data, scored)
    except TrialError as error:
        return replace(evaluation, failure=str(error))


def _of_rows(data: Data, seen: str) -> ModelEvaluation:
    """Describes the rows, so that it can be told later whether a model has seen them."""
    from mlflow_hpo.data import digest
    from mlflow_hpo.data.sketch import shares_rows, sketch

    return ModelEvaluation(
        digest=data.digest,
        held_out=digest(data.test),
        searched="" if data.streams else sketch(data.train, data.validation),
        is_new=not data.streams and shares_rows(seen, data.test) is False,
    )


def _scored(
    evaluation: ModelEvaluation, task: Task, model_uri: str, data: Data, scored: bool
) -> ModelEvaluation:
    import numpy as np

    from mlflow_hpo.objectives.find import find_objective
    from mlflow_hpo.objectives.scoring import predict_test_part, row_scores
    from mlflow_hpo.store import flavors_of, load_model, store_errors

    @cache
    def load(flavor: str) -> Any:
        with store_errors(files=False):
            return load_model(flavor, model_uri, task.tracking_uri)

    with redirect_stdout(io.StringIO()):  # Keras would show its progress
        scores = find_objective(task.spec).evaluate(load, data) if scored else {}
        flavors = flavors_of(model_uri, task.tracking_uri)
        rows = [
            row_scores(predict_test_part(load, flavors, part), part, part.test) for part in _test_parts(data)
        ]
    joined = {name: np.concatenate([values[name] for values in rows]) for name in rows[0]}
    return replace(evaluation, scores=scores, rows=joined)


def _test_parts(data: Data) -> Iterator[Data]:
    """Yields the data with its test part, or with one batch of it after the other if it is a stream."""
    from mlflow_hpo.data.streams import for_scores

    if not data.streams:
        yield data
        return
    for part in data.streams["test"].parts():
        yield replace(data, streams=None, test=for_scores(data, part))
