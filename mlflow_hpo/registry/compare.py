"""Whether one model is better than another on the same rows: the paired bootstrap."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

RESAMPLES = 2000
SEED = 0
Array = np.ndarray[Any, Any]
Rows = Mapping[str, Array]  # see `row_scores`


def _r2(squared: Array, target: Array) -> float:
    return float(1 - squared.mean() / max(float(target.var()), 1e-30))


@dataclass(frozen=True)
class Measure:
    """What two models are compared by.

    Attributes:
        rows: the values of each row that it is computed from.
        of: the values of some rows, and what was to be predicted there -> the metric.
        maximize: whether more of it is better.
    """

    name: str
    rows: str
    of: Callable[[Array, Array], float]
    maximize: bool


MEASURES = {
    m.name: m
    for m in (
        Measure("accuracy", "accuracy", lambda rows, y: float(rows.mean()), True),
        Measure("loss", "loss", lambda rows, y: float(rows.mean()), False),
        Measure("mse", "squared", lambda rows, y: float(rows.mean()), False),
        Measure("rmse", "squared", lambda rows, y: float(rows.mean() ** 0.5), False),
        Measure("mae", "absolute", lambda rows, y: float(rows.mean()), False),
        Measure("r2", "squared", _r2, True),
    )
}
# Part of a metric's name -> what stands for it on the test part; the first that fits.
CLASS_WORDS = {"loss": "loss", "crossentropy": "loss"}
VALUE_WORDS = {"r2": "r2", "absolute": "mae", "mae": "mae", "root": "rmse", "rmse": "rmse"}


def measure_for(metric: str, new: Rows, old: Rows) -> Measure:
    """What stands for the study's metric on the test part: the metric itself where rows can tell it.

    For classes the cross-entropy where both models give probabilities and the metric is a loss, else the
    accuracy; for values r2, mae or rmse by the metric's name, else the mean squared error.
    """
    words, usual = (CLASS_WORDS, "accuracy") if "accuracy" in new else (VALUE_WORDS, "mse")
    name = next((stands for word, stands in words.items() if word in metric.lower()), usual)
    measure = MEASURES[name]
    return measure if measure.rows in new and measure.rows in old else MEASURES[usual]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows.

    Attributes:
        measure: the name of what they are compared by.
        new, old: its value for each model, over all rows.
        gain: by how much the new one is better; negative where it is worse.
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
        """In words."""
        both = round(100 * (2 * self.confidence - 1), 6)
        return (
            f"{self.measure} {self.new:.4f} against {self.old:.4f} on the same {self.rows} test rows, "
            f"gain {self.gain:+.4f}, {both:g}% interval {self.low:+.4f} to {self.high:+.4f}"
        )


def compare(new: Rows, old: Rows, measure: Measure, confidence: float) -> Comparison:
    """Compare two models by the paired percentile bootstrap (Efron and Tibshirani 1993, chapter 13).

    The rows are drawn with replacement 2,000 times, for both models the same, and the gain is computed
    each time. `low` and `high` are the quantiles of these gains at 1 - confidence and at confidence: `low` is
    the lower bound of the one-sided interval at this confidence, and both together are the two-sided
    interval that holds 2 * confidence - 1, so 90% at a confidence of 0.95. The seed is fixed.

    Args:
        new, old: see `row_scores`; of the same rows in the same order.
        confidence: from 0.5 up to, but not, 1.
    """
    a, b = new[measure.rows], old[measure.rows]
    y = new.get("target", np.zeros(len(a)))
    sign = 1 if measure.maximize else -1
    random = np.random.default_rng(SEED)
    gains = np.empty(RESAMPLES)
    for i in range(RESAMPLES):
        drawn = random.integers(len(a), size=len(a))
        gains[i] = sign * (measure.of(a[drawn], y[drawn]) - measure.of(b[drawn], y[drawn]))
    low, high = np.quantile(gains, [1 - confidence, confidence])
    ours, theirs = measure.of(a, y), measure.of(b, y)
    return Comparison(
        measure.name, ours, theirs, sign * (ours - theirs), float(low), float(high), confidence, len(a)
    )
