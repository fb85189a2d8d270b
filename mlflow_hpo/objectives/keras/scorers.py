"""Scores Keras models by scikit-learn's scorers, where the study's metric is one of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.stream import Stream
from mlflow_hpo.data.streams import for_scores
from mlflow_hpo.data.structure import count, joined, taken
from mlflow_hpo.objectives.scoring import Predictions, read_predictions
from mlflow_hpo.objectives.sklearn import MetricScorer
from mlflow_hpo.objectives.sklearn.scorers import VALIDATION

AT_ONCE = 1024  # rows


def with_score(
    metrics: Mapping[str, float], scorer: MetricScorer, model: Any, data: Data | None
) -> Mapping[str, float]:
    """Returns the metrics of an epoch, and those of the study that are scorers and not among them.

    Raises:
        TrialError: the scorer cannot be computed from the model's predictions.
    """
    if data is None:
        return metrics
    added = [one for one in scorer.each if one.adds(data, metrics)]
    return {**metrics, **{one.metric: _score(one, model, data) for one in added}}


def _score(scorer: MetricScorer, model: Any, data: Data) -> float:
    if data.streams:
        return _score_of_stream(scorer, model, data)
    return scorer.score(model, lambda x: _read(model, data, x), data)


def predicted(model: Any, data: Data, stream: Stream) -> tuple[Predictions, Part]:
    """Returns a model's predictions for a stream, and its rows by their numbers, with their targets.

    The inputs are not kept.
    """
    answers, rows = [], list[Part]()
    for part in stream.parts():
        answers.append(model.predict_on_batch(part.x))
        rows.append(replace(for_scores(data, part), x=np.arange(len(part))))
    part = reduce(Part.and_then, rows)
    return _as_predictions(model, data, reduce(joined, answers), part), part


def _score_of_stream(scorer: MetricScorer, model: Any, data: Data) -> float:
    """Returns the metric where it is measured on a stream."""
    assert data.streams
    held_out = scorer.metric.startswith(VALIDATION)
    predictions, part = predicted(model, data, data.streams["validation" if held_out else "train"])
    rows = replace(data, validation=part) if held_out else replace(data, train=part)
    return scorer.score(model, lambda x: predictions, rows)


def _read(model: Any, data: Data, x: Any) -> Predictions:
    slices = [slice(start, start + AT_ONCE) for start in range(0, count(x), AT_ONCE)]
    answers = reduce(joined, (model.predict_on_batch(taken(x, rows)) for rows in slices))
    return _as_predictions(model, data, answers, Part(x, np.empty((count(x), *data.train.y.shape[1:]))))


def _as_predictions(model: Any, data: Data, answers: Any, part: Part) -> Predictions:
    if data.classes and getattr(model.loss, "from_logits", False):
        answers = _probabilities(answers)
    return read_predictions(answers, data, part)


def _probabilities(logits: Any) -> Any:
    """Returns what a loss `from_logits` takes the model's answers for."""
    if logits.ndim == 2 and logits.shape[1] > 1:
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)
    return 1 / (1 + np.exp(-logits))
