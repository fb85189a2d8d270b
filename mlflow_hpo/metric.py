"""Metrics and constraints, and the one function that orders trials by them."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from math import inf, isfinite, nan, ulp
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
    if name.endswith(COSTS):
        return False
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
        maximize = more_is_better(text)
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
        is_strict: the bound itself is beyond it.
    """

    metric: Metric
    bound: float
    is_strict: bool = False

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `NAME <= NUMBER`, or the same with `<`, `>=` or `>`.

        Raises:
            ConfigError: it is neither.
        """
        found = re.fullmatch(r"\s*([^<>=\s]+)\s*([<>]=?)\s*(\S+)\s*", text)
        try:
            bound = float(found[3]) if found else nan
        except ValueError:
            bound = nan
        if not found or not isfinite(bound):
            raise ConfigError(f"constraints: {text.strip()!r} is none: give METRIC <= NUMBER, or with >=")
        return cls(Metric(found[1], maximize=found[2][0] == ">"), bound, is_strict=len(found[2]) == 1)

    @property
    def text(self) -> str:
        """The constraint as it is written."""
        sign = (">" if self.metric.maximize else "<") + ("" if self.is_strict else "=")
        return f"{self.metric.name} {sign} {self.bound:g}"

    def violation(self, value: float | None) -> float:
        """Returns by how much a value is beyond the bound, as a part of it; 0 within, infinite if unknown."""
        if value is None or value != value:
            return inf
        excess = self.metric.loss(value) - self.metric.loss(self.bound)
        if excess < 0 or (excess == 0 and not self.is_strict):
            return 0.0
        return (excess or ulp(self.bound)) / (abs(self.bound) or 1.0)


def parse_constraints(text: str) -> tuple[Constraint, ...]:
    """Reads constraints, with commas between them; see `Constraint.parse`."""
    return tuple(map(Constraint.parse, text.split(","))) if text else ()


def rank(trials: Iterable[Trial], at: int | None = None) -> list[Trial]:
    """Orders the trials that have results, best first.

    Feasible trials come before infeasible ones, which the least violation leads (Deb 2000). Then the metrics
    decide: the loss of a single one; of several the front that a trial is on (fewer trials dominate it),
    and on a front how far its neighbours are (Deb et al. 2002, NSGA-II). Of equal trials the earlier one
    is better. Failed trials are left out, unless `at` is given and they got there.

    Args:
        at: compare the losses after so many epochs, and only trials that have them; None: each trial's last.
    """
    if at is None:
        able = [t for t in trials if t.state is not State.FAILED and t.loss is not None]
    else:
        able = [t for t in trials if at in t.losses]
    feasible = [t for t in able if not t.violation(at)]
    places = _spread(order([_losses(t, at) for t in feasible]))
    ranked = sorted(zip(places, feasible, strict=True), key=lambda pair: (pair[0], pair[1].number))
    others = sorted((t for t in able if t.violation(at)), key=lambda t: (t.violation(at), t.number))
    return [*(trial for _, trial in ranked), *others]


def best(trials: Iterable[Trial]) -> Trial | None:
    """Returns the first trial of `rank`; None if no trial has a result."""
    return next(iter(rank(trials)), None)


def front(trials: Iterable[Trial]) -> list[Trial]:
    """Returns the feasible trials that no other dominates, in the order of the first metric.

    Those that lack one of the metrics are left out.
    """
    able = [t for t in rank(trials) if not t.violation() and all(map(isfinite, _losses(t, None)))]
    places = fronts([_losses(t, None) for t in able])
    first = [trial for trial, place in zip(able, places, strict=True) if place == 1]
    return sorted(first, key=lambda t: (t.loss, t.number))


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


def _losses(trial: Trial, at: int | None) -> tuple[float, ...]:
    epochs = trial.epochs if at is None else at
    return tuple(losses.get(epochs, inf) for losses in trial.results.values())


def _spread(keys: Sequence[tuple[float, ...]]) -> list[tuple[float, ...]]:
    """Puts the distance of a point's neighbours on its front behind the front in sort keys of several losses.

    Args:
        keys: as `order` returns them.
    """
    if not keys or len(keys[0]) == 1:
        return list(keys)
    levels: dict[float, list[int]] = {}
    for i, key in enumerate(keys):
        levels.setdefault(key[0], []).append(i)
    apart = [0.0] * len(keys)
    for level in levels.values():
        for i, distance in zip(level, crowding([keys[i][1:] for i in level]), strict=True):
            apart[i] = distance
    return [(key[0], -apart[i], *key[1:]) for i, key in enumerate(keys)]


def crowding(points: Sequence[tuple[float, ...]]) -> list[float]:
    """Returns the crowding distance of each point of a front; infinite at its ends (Deb et al. 2002)."""
    distances = [0.0] * len(points)
    for values in zip(*points, strict=True):
        places = sorted(range(len(points)), key=values.__getitem__)
        width = values[places[-1]] - values[places[0]]
        distances[places[0]] = distances[places[-1]] = inf
        for low, here, high in zip(places, places[1:], places[2:], strict=False):
            distances[here] += (values[high] - values[low]) / width if 0 < width < inf else 0.0
    return distances
