"""Metrics and constraints, and the one function that orders trials by them."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import inf
from numbers import Real
from operator import le
from typing import Any, Self

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.trial import State, Trial

# What tells that less or more is better, by the names of Keras, scikit-learn, XGBoost and LightGBM.
MINIMIZED_NAMES = ("l1", "l2", "ctc", "fair", "circle", "gamma")
MINIMIZED_WORDS = ("kld", "nll", "wer", "cer", "fid")
MAXIMIZED_WORDS = ("map", "pre", "ams", "kappa", "mcc", "bleu", "rouge", "mrr", "psnr", "ssim")
MINIMIZED = (
    *("loss", "error", "mse", "mae", "rmse", "rmsle", "mphe", "mape", "msle", "entropy", "deviance", "hinge"),
    *("huber", "log_cosh", "logcosh", "poisson", "divergence", "kullback", "nloglik", "negative_l", "brier"),
    *("tweedie", "quantile", "expectile", "pinball", "perplexity", "false_positive", "false_negative"),
    *("distance", "dissimilarity", "davies_bouldin", "inaccura", "default_objective"),
)
MAXIMIZED = (
    *("acc", "auc", "f1", "fbeta", "precision", "recall", "r2", "score", "iou", "io_u", "dice", "tversky"),
    *("correlation", "corrcoef", "explained_variance", "specificity", "sensitivity", "similarity", "ndcg"),
    *("true_positive", "true_negative", "positive_likelihood_ratio", "jaccard"),
)
AMBIGUOUS = ("dice", "tversky")  # coefficients to most, and one minus them where Keras names its losses
INSISTED = "train:"  # asks for a metric of the training rows, although there is one of the validation rows
COSTS = ("_bytes", "_ms", "_mb", "seconds", "parameters")  # how the names of costs end
DIRECTIONS = {"max": True, "min": False}


def unboxed(value: Any) -> Any:
    """Returns the one value that a NumPy scalar, an array or a tensor holds; anything else as it is."""
    for method in ("item", "numpy"):  # TensorFlow's tensors have only the second, which gives an array
        unbox = None if isinstance(value, type) else getattr(value, method, None)
        if callable(unbox):
            try:
                inner = unbox()
            except Exception:  # it holds several, or is still to be computed
                continue
            return inner.item() if method == "numpy" and getattr(inner, "size", 0) == 1 else inner
    return value


def number(value: Any, flags: bool = False) -> float | None:
    """Returns a real number of any library as a float; None if a value is no such number.

    Args:
        flags: True and False count as 1 and 0.
    """
    value = unboxed(value)
    if not isinstance(value, Real | Decimal) or (isinstance(value, bool) and not flags):
        return None
    try:
        return float(value)
    except OverflowError:
        return inf if bool(value > 0) else -inf  # type: ignore[operator]


def more_is_better(metric: str) -> bool | None:
    """Tells from a metric's name whether more of it is better; None if the name does not say."""
    name = re.sub(r"^(train:|val_)|_\d+$", "", metric.lower())
    words = set(re.split(r"[^a-z]+", name))
    if name.startswith("d2_"):  # scikit-learn's, one minus the quotient of two losses
        return True
    if found := re.search(r"(^|_)neg_(.+)", name):  # scikit-learn's losses; also `neg_log_likelihood`
        negated = more_is_better(found[2])
        return None if negated is None else not negated
    if name in AMBIGUOUS:
        return None
    if name in MINIMIZED_NAMES or words & {*MINIMIZED_WORDS} or any(part in name for part in MINIMIZED):
        return False
    return True if words & {*MAXIMIZED_WORDS} or any(part in name for part in MAXIMIZED) else None


def reported_name(asked: str) -> str:
    """Returns the name that training reports a metric under: `accuracy`, where `train:accuracy` is asked."""
    return asked.removeprefix(INSISTED)


@dataclass(frozen=True)
class Metric:
    """A number that trials are compared by, and whether more of it is better."""

    name: str
    maximize: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `NAME`, `max:NAME` or `min:NAME`.

        Raises:
            ConfigError: there is no name, or the name does not tell the direction.
        """
        word, colon, name = text.partition(":")
        if not text or (colon and not name):
            raise ConfigError(f"metric {text!r} has no name: give METRIC, max:METRIC or min:METRIC")
        if word in DIRECTIONS and name:
            return cls(name, DIRECTIONS[word])
        maximize = False if text.endswith(COSTS) else more_is_better(text)
        if maximize is None:
            raise ConfigError(f"metric {text!r} does not say its direction: give max:{text} or min:{text}")
        return cls(text, maximize)

    @classmethod
    def directed(cls, name: str, direction: str) -> Self:
        """Makes a metric from its name and `minimize`, `maximize` or `auto`, which asks the name.

        Args:
            name: as it was asked for; the metric has the name that training reports.

        Raises:
            ConfigError: `auto`, and the name does not tell.
        """
        maximize = more_is_better(name) if direction == "auto" else direction == "maximize"
        if maximize is None:
            raise ConfigError(
                f"metric {name!r} does not say its direction: give minimize or maximize "
                "(--direction, or direction= from Python)"
            )
        return cls(reported_name(name), maximize)

    def loss(self, value: float) -> float:
        """Turns a value into what is minimised: the value, negated if more is better."""
        return -value if self.maximize else value

    def value(self, loss: float) -> float:
        """Turns a loss into the metric's value again: the inverse of `loss`."""
        return -loss if self.maximize else loss

    def loss_in(self, metrics: Mapping[str, float]) -> float | None:
        """Returns the loss of this metric among others; None if it is missing or NaN."""
        value = metrics.get(self.name)
        return None if value is None or value != value else self.loss(value)


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric: trials beyond it are infeasible.

    Attributes:
        bound: in the metric's own unit: the most of a metric that is minimised, the least of one that is
            maximised.
    """

    metric: Metric
    bound: float

    def admits(self, loss: float | None) -> bool:
        """Tells whether a loss of the metric is within the bound; an unknown one is not."""
        return loss is not None and loss <= self.metric.loss(self.bound)


def rank(
    trials: Iterable[Trial], constraints: Sequence[Constraint] = (), at: int | None = None
) -> list[Trial]:
    """Orders the trials that have results, best first.

    Feasible trials come before infeasible ones; then the metrics decide: the loss of a single one, of
    several the front that a trial is on (fewer trials dominate it) and then the first metric. Of equal
    trials the earlier one is better. Failed trials are left out, unless `at` is given and they got there.

    Args:
        at: compare the losses after so many epochs, and only trials that have them; None: each trial's last.
    """
    if at is None:
        able = [t for t in trials if t.state is not State.FAILED and t.loss is not None]
    else:
        able = [t for t in trials if at in t.losses]
    losses = [_losses(t, t.epochs if at is None else at) for t in able]
    places = order(losses)
    infeasible = [not _feasible(t, constraints, at) for t in able]
    ranked = sorted(range(len(able)), key=lambda i: (infeasible[i], places[i], able[i].number))
    return [able[i] for i in ranked]


def best(trials: Iterable[Trial], constraints: Sequence[Constraint] = ()) -> Trial | None:
    """Returns the first trial of `rank`; None if no trial has a result."""
    return next(iter(rank(trials, constraints)), None)


def order(losses: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Returns the sort keys of losses: the losses, led by the front (from 1) if there are several of each."""
    if not losses or len(losses[0]) == 1:
        return list(losses)
    return [(float(front), *loss) for front, loss in zip(fronts(losses), losses, strict=True)]


def fronts(losses: Sequence[tuple[float, ...]]) -> list[int]:
    """Returns the non-dominated front of each point, counted from 1.

    A point dominates another if it is nowhere worse and somewhere better. The first front is what nothing
    dominates, the second what only the first dominates, and so on. Each point, in lexicographic order, is
    placed by a binary search over the fronts so far (Zhang et al. 2015, ENS-BS).
    """
    front, levels = [0] * len(losses), list[list[tuple[float, ...]]]()
    for i in sorted(range(len(losses)), key=losses.__getitem__):
        place = bisect_left(levels, True, key=partial(_holds, losses[i]))
        if place == len(levels):
            levels.append([])
        levels[place].append(losses[i])
        front[i] = place + 1
    return front


def _holds(point: tuple[float, ...], level: Sequence[tuple[float, ...]]) -> bool:
    """Tells whether no point of a front, all of which come before this one in order, dominates it."""
    others = level[-1:] if len(point) == 2 else level  # of a front of pairs, the last is lowest in the second
    return not any(other != point and all(map(le, other, point)) for other in others)


def _losses(trial: Trial, epochs: int) -> tuple[float, ...]:
    return tuple(losses.get(epochs, inf) for losses in trial.results.values())


def _feasible(trial: Trial, constraints: Sequence[Constraint], at: int | None) -> bool:
    epochs = trial.epochs if at is None else at
    return all(c.admits(trial.results.get(c.metric.name, {}).get(epochs)) for c in constraints)
