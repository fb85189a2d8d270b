"""Defines what an algorithm is: a function that proposes raw values, given all trials."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlflow_hpo.errors import StudyError, worded
from mlflow_hpo.space import Choice, Searched, Space, broken, redrawn

Raws = Mapping[str, Any]  # label -> raw value, of the active labels


@dataclass(frozen=True)
class Point:
    """Describes a trial to an algorithm.

    Attributes:
        loss: None while it runs.
        beaten: whether it failed or stopped below the rung, so that its loss is only a rank.
        losses: of each metric, for an algorithm that knows several; empty if the study has one.
        violation: by how much it breaks constraints, where there are losses.
    """

    number: int
    raws: Raws
    loss: float | None
    beaten: bool = False
    losses: tuple[float, ...] = ()
    violation: float = 0.0


# (space, trials by number, number of the new trial, seed) -> a proposal; None if there is nothing left
Choose = Callable[[Space, Sequence[Point], int, int], Raws | None]
ChooseAtRandom = Callable[[Space, Sequence[Point], int, np.random.Generator], Raws | None]


def _anything(space: Space) -> None:
    """Accepts every space."""


@dataclass(frozen=True)
class Algorithm:
    """Proposes configs.

    Attributes:
        choose: returns a proposal, or None if there is nothing left to propose.
        check: raises ConfigError if the algorithm cannot search a space.
        most: how many ended trials it looks at; None: all. The best are kept, and others evenly.
        by_rank: of several metrics it is given each trial's rank; else a loss by weights that change.
        several: it is given the losses of several metrics as well.
        newest: how many of the newest ended trials it looks at, and at most twice as many; None: all.
        counting: whether it counts the trials to know how far it got, and must see even useless ones.
        stage: returns the algorithm that proposes in its place, given the number of the trial.
    """

    choose: Choose
    check: Callable[[Space], None] = _anything
    most: int | None = None
    newest: int | None = None
    counting: bool = False
    by_rank: bool = False
    several: bool = False
    stage: "Callable[[Space, int], Algorithm] | None" = None


def seeded(choose: ChooseAtRandom) -> Choose:
    """Returns a function that takes a seed where the given one takes a random generator."""
    return lambda space, points, number, seed: choose(space, points, number, np.random.default_rng(seed))


def foreign(name: str, choose: Choose) -> Choose:
    """Returns somebody else's function with errors in one line that names the algorithm."""

    def choose_or_fail(space: Space, points: Sequence[Point], number: int, seed: int) -> Raws | None:
        try:
            raws = choose(space, points, number, seed)
            if raws is not None:
                space.config(raws)
        except Exception as error:
            raise StudyError(f"algorithm {name!r} failed: {worded(error)}") from error
        return raws

    return choose_or_fail


def at_random(space: Space, rng: np.random.Generator, spread: float | None = None) -> Raws:
    """Returns raw values drawn from the space, which keep to its constraints if that can be had.

    Args:
        spread: standard deviation of numbers from the middle, as a part of the range; None: even.
    """

    def pick(label: str, parameter: Searched) -> Any:
        if spread is None or isinstance(parameter, Choice):
            return parameter.from_unit(rng.random())
        part = abs(rng.normal(0.5, spread)) % 2  # reflected at the ends
        return parameter.from_unit(part if part <= 1 else 2 - part)

    raws = space.walk(pick)
    if space.where and broken(space, space.config(raws)):
        return redrawn(space, raws, random.Random(int(rng.integers(2**31)))) or raws
    return raws
