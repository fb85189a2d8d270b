"""Compares two models on the same rows, by the paired bootstrap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.metric import Metric

RESAMPLES, SEED = 2000, 0
CELLS = 2_000_000  # numbers that are drawn at once, so that many rows do not fill the memory
Array = np.ndarray[Any, Any]
Rows = Mapping[str, Array]  # see `row_scores`


def _mean(rows: Array, target: Array, weight: Array) -> Any:
    return (rows * weight).sum(axis=-1) / np.maximum(weight.sum(axis=-1), 1e-30)


def _r2(squared: Array, target: Array, weight: Array) -> Any:
    middle = _mean(target, target, weight)
    variance = _mean((target - np.expand_dims(middle, -1)) ** 2, target, weight)
    return 1 - _mean(squared, target, weight) / np.maximum(variance, 1e-30)


@dataclass(frozen=True)
class Measure(Metric):
    """A metric by which two models are compared.

    Attributes:
        rows: the name of the values of each row that it is computed from.
        of: computes it from these values, the targets and the weights of the same rows, all (..., rows).
    """

    rows: str
    of: Callable[[Array, Array, Array], Any]


MEASURES = {
    m.name: m
    for m in (
        Measure("accuracy", True, "accuracy", _mean),
        Measure("loss", False, "loss", _mean),
        Measure("mse", False, "squared", _mean),
        Measure("rmse", False, "squared", lambda *of: _mean(*of) ** 0.5),
        Measure("mae", False, "absolute", _mean),
        Measure("r2", True, "squared", _r2),
    )
}
# Part of a metric's name -> the measure that stands for it on the test part; the first that fits.
CLASS_WORDS = {"loss": "loss", "crossentropy": "loss"}
VALUE_WORDS = {"r2": "r2", "absolute": "mae", "mae": "mae", "root": "rmse", "rmse": "rmse"}


def measure_for(metric: str, new: Rows, old: Rows) -> Measure:
    """Returns the measure that stands for the study's metric on the test part.

    For classes it is the cross-entropy if both models give probabilities and the metric is a loss, else the
    accuracy; for values r2, mae or rmse by the metric's name, else the mean squared error.
    """
    words, usual = (CLASS_WORDS, "accuracy") if "accuracy" in new else (VALUE_WORDS, "mse")
    if "accuracy" not in new and "loss" in new:  # of several targets
        return MEASURES["loss"]
    name = next((measure for word, measure in words.items() if word in metric.lower()), usual)
    measure = MEASURES[name]
    is_there = measure.rows in new and measure.rows in old and (name != "r2" or "target" in new)
    return measure if is_there else MEASURES[usual]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        measure: the name of the measure.
        new, old: its value for each model, over all rows.
        gain: by how much the new one is better; negative if it is worse.
        low, high: the interval of the gain.
        confidence: that the gain is above `low`; and, by itself, that it is below `high`.
    """

    measure: str
    new: float
    old: float
    gain: float
    low: float
    high: float
    confidence: float
    rows: int

    def __str__(self) -> str:
        """Returns the comparison in words."""
        both = round(100 * (2 * self.confidence - 1), 6)
        return (
            f"{self.measure} {self.new:.4f} against {self.old:.4f} on the same {self.rows} test rows, "
            f"gain {self.gain:+.4f}, {both:g}% interval {self.low:+.4f} to {self.high:+.4f}"
        )


def compare(new: Rows, old: Rows, measure: Measure, confidence: float) -> Comparison:
    """Compares two models by the paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

    The rows are drawn with replacement 2,000 times, for both models the same, and the gain is computed
    each time. `low` and `high` are the quantiles of these gains at 1 - confidence and at confidence: `low` is
    the lower bound of the one-sided interval at this confidence, and both together are the two-sided
    interval that holds 2 * confidence - 1, so 90% at a confidence of 0.95. The seed is fixed.

    Args:
        new, old: see `row_scores`; of the same rows in the same order.
        confidence: from 0.5 up to, but not, 1.
    """
    from scipy.stats import bootstrap

    ours, theirs = new[measure.rows], old[measure.rows]
    count = len(ours)
    of_rows = new.get("target", np.zeros(count)), new.get("weight", np.ones(count))
    samples = ours, theirs, *of_rows

    def gain(ours: Array, theirs: Array, target: Array, weight: Array, axis: int = -1) -> Any:
        return measure.loss(measure.of(theirs, target, weight)) - measure.loss(
            measure.of(ours, target, weight)
        )

    low = high = value = float(gain(*samples))
    if count > 1:  # a single row has no spread
        low, high = bootstrap(
            samples, gain, n_resamples=RESAMPLES, batch=max(1, CELLS // count), vectorized=True, paired=True,
            confidence_level=2 * confidence - 1, method="percentile", rng=SEED,
        ).confidence_interval  # fmt: skip
    new_value, old_value = (float(measure.of(rows, *of_rows)) for rows in (ours, theirs))
    return Comparison(measure.name, new_value, old_value, value, float(low), float(high), confidence, count)
