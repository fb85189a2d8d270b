"""Searches a grid: every combination once."""

from collections.abc import Sequence
from math import gcd, prod
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, suggest_by
from mlflow_hpo.space import Choice, Searched, Space
from mlflow_hpo.trial import Config

GOLDEN = 0.6180339887498949


def grid(points: int) -> Algorithm:
    """Tries every option, whole number and step, and `points` values of each float without a step.

    Combinations come in strides of about the golden section, so that the first few are spread over the
    whole grid. Combinations that a trial has already are skipped.
    """

    def choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws | None:
        size = grid_size(space, points)
        taken = {tuple(sorted(p.raws.items())) for p in trials}
        step = _stride(size)
        for i in range(min(size, len(taken) + 1)):
            raws = _combination(space, (i * step) % size, points)
            if tuple(sorted(raws.items())) not in taken:
                return raws
        return None

    return Algorithm(suggest_by(choose), counting=True)


def grid_size(space: Space, points: int) -> int:
    """Returns the number of combinations; what depends on an option counts only with that option."""
    return prod(_count(parameter, points) for parameter in _top(space).values())


def is_on_grid(space: Space, config: Config, points: int) -> bool:
    """Returns whether a config is one of the combinations."""
    drawn = space.encode(config)
    if drawn is None:
        return False
    active = {label: raws[0] for label, raws in drawn.items() if raws}
    return all(_has(space.leaves[label], raw, points) for label, raw in active.items())


def _has(parameter: Searched, raw: float, points: int) -> bool:
    if isinstance(parameter, Choice) or parameter.whole:
        return True
    return raw in [parameter.on_grid(i, points) for i in range(points)]


def _top(space: Space) -> dict[str, Searched]:
    return {label: p for label, p in space.leaves.items() if "|" not in label}


def _count(parameter: Searched, points: int) -> int:
    if isinstance(parameter, Choice):
        return sum(grid_size(o.space, points) if o.space else 1 for o in parameter.options)
    return parameter.grid_size(points)


def _combination(space: Space, index: int, points: int) -> dict[str, Any]:
    """Returns the combination with this index, a number in mixed radix."""
    raws: dict[str, Any] = {}
    for label, parameter in _top(space).items():
        index, digit = divmod(index, _count(parameter, points))
        if not isinstance(parameter, Choice):
            raws[label] = parameter.on_grid(digit, points)
            continue
        for i, option in enumerate(parameter.options):
            below = grid_size(option.space, points) if option.space else 1
            if digit < below:
                raws[label] = i
                inner = _combination(option.space, digit, points) if option.space else {}
                raws |= {f"{label}|{i}|{name}": raw for name, raw in inner.items()}
                break
            digit -= below
    return raws


def _stride(size: int) -> int:
    step = max(1, round(size * GOLDEN))
    while gcd(step, size) != 1:
        step += 1
    return step
