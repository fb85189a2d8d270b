"""Searches a grid: every combination once."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate
from math import gcd, prod
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, seeded
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Fixed, Searched, Space, broken
from mlflow_hpo.trial import Config

MOST_CHECKED = 100_000  # combinations that are held against constraints
GOLDEN = 0.6180339887498949


def grid(points: int) -> Algorithm:
    """Tries every option, whole number and step, and `points` values of each float without a step.

    Combinations come in strides of about the golden section, so that the first few are spread over the
    whole grid. Combinations that a trial has already are skipped.
    """
    last: list[Grid] = []  # of the space that is searched: counting it takes time

    def choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws | None:
        if not last or last[0].space is not space:
            last[:] = [Grid(space, points)]
        size = last[0].size
        taken = {tuple(sorted(p.raws.items())) for p in trials}
        step = _stride(size)
        for i in range(min(size, len(taken) + 1)):
            raws = last[0].combination((i * step) % size)
            if tuple(sorted(raws.items())) not in taken:
                return raws
        return None

    return Algorithm(seeded(choose), counting=True)


def grid_size(space: Space, points: int) -> int:
    """Returns the number of combinations; what depends on an option counts only with that option."""
    return Grid(space, points).size


def is_on_grid(space: Space, config: Config, points: int) -> bool:
    """Returns whether a config is one of the combinations."""
    raws = space.raws(config)
    if raws is None:
        return False
    return all(_has(space.leaves[label], raw, points) for label, raw in raws.items())


class Grid:
    """The combinations of a space.

    Attributes:
        size: how many there are.
    """

    def __init__(self, space: Space, points: int) -> None:
        self.space, self._points = space, points
        self._searched = {k: p for k, p in space.parameters.items() if not isinstance(p, Fixed)}
        self._below = {k: _Options(p, points) for k, p in self._searched.items() if isinstance(p, Choice)}
        self._kept = self._allowed(prod(self._count(name) for name in self._searched))
        self.size = len(self._kept)

    def combination(self, index: int) -> dict[str, Any]:
        """Returns the combination with this index."""
        return self._combination(self._kept[index])

    def _allowed(self, size: int) -> Sequence[int]:
        """Returns the combinations that keep to the space's constraints."""
        if not self.space.where:
            return range(size)
        if size > MOST_CHECKED:
            raise ConfigError(
                f"algorithm 'grid' would hold {size} combinations against where, at most {MOST_CHECKED} are"
            )
        return [i for i in range(size) if not broken(self.space, self.space.config(self._combination(i)))]

    def _combination(self, index: int) -> dict[str, Any]:
        """Returns the combination with this number, which is in mixed radix, whatever the constraints."""
        raws: dict[str, Any] = {}
        for name, parameter in self._searched.items():
            index, digit = divmod(index, self._count(name))
            if isinstance(parameter, Choice):
                option, inner = self._below[name].at(digit)
                raws |= {name: option} | {f"{name}|{option}|{label}": raw for label, raw in inner.items()}
            else:
                raws[name] = parameter.on_grid(digit, self._points)
        return raws

    def _count(self, name: str) -> int:
        below = self._below.get(name)
        return self._searched[name].grid_size(self._points) if below is None else below.ends[-1]


class _Options:
    """The options of a choice, each with the grid below it.

    Attributes:
        ends: of each option, how many combinations there are with it and those before it.
    """

    def __init__(self, choice: Choice, points: int) -> None:
        self._grids = [Grid(option.space, points) if option.space else None for option in choice.options]
        self.ends = list(accumulate(grid.size if grid else 1 for grid in self._grids))

    def at(self, digit: int) -> tuple[int, dict[str, Any]]:
        """Returns the option of a combination, and what lies below it."""
        option = bisect_right(self.ends, digit)
        grid = self._grids[option]
        before = self.ends[option - 1] if option else 0
        return option, grid.combination(digit - before) if grid else {}


def _has(parameter: Searched, raw: float, points: int) -> bool:
    if isinstance(parameter, Choice) or parameter.whole:
        return True
    return raw in [parameter.on_grid(i, points) for i in range(points)]


def _stride(size: int) -> int:
    step = max(1, round(size * GOLDEN))
    while gcd(step, size) != 1:
        step += 1
    return step
