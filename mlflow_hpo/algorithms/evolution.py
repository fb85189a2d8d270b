"""Searches by evolution with ageing (Real et al. 2019, "Regularized Evolution") and crossover."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random, seeded
from mlflow_hpo.space import Choice, Searched, Space

STARTUP_TRIALS = 10
POPULATION = 20  # the newest ended trials: the oldest dies, however good
TOURNAMENT = 5
SPREAD = 0.15  # standard deviation of a mutation, as a part of the range


def evolution() -> Algorithm:
    """Selects by tournament, crosses over uniformly and mutates, on conditional spaces, too."""
    return Algorithm(seeded(_choose), newest=POPULATION)


def nsga2() -> Algorithm:
    """Keeps the best by front and crowding (Deb et al. 2002); with one metric the best by its loss."""
    return Algorithm(seeded(_choose_of_best), most=4 * POPULATION, by_rank=True)  # the best quarter


def _choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
    living = [p for p in trials if p.loss is not None and not p.beaten][-POPULATION:]
    return _child(space, living, rng)


def _choose_of_best(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
    ended = sorted((p for p in trials if p.loss is not None), key=lambda p: (p.beaten, p.loss, p.number))
    return _child(space, ended[:POPULATION], rng)


def _child(space: Space, living: Sequence[Point], rng: np.random.Generator) -> Raws:
    if len(living) < STARTUP_TRIALS:
        return at_random(space, rng)
    mother, father = _winner(living, rng), _winner(living, rng)
    rate = 1 / max(len(mother), 1)
    forced = rng.choice(sorted(mother)) if mother else ""  # a child differs in one place at least

    def pick(label: str, parameter: Searched) -> Any:
        genes = [parent[label] for parent in (mother, father) if label in parent]
        if not genes:
            return parameter.from_unit(rng.random())
        gene = genes[rng.integers(len(genes))]
        return mutated(parameter, gene, rng) if label == forced or rng.random() < rate else gene

    return space.walk(pick)


def _winner(living: Sequence[Point], rng: np.random.Generator) -> Raws:
    drawn = rng.choice(len(living), size=min(TOURNAMENT, len(living)), replace=False)
    winner: Point = min((living[i] for i in drawn), key=lambda p: (p.loss, p.number))
    return winner.raws


def mutated(parameter: Searched, raw: Any, rng: np.random.Generator, spread: float = SPREAD) -> Any:
    """Returns a value near `raw`, reflected at the ends of the range; of a choice another option."""
    if isinstance(parameter, Choice):
        if len(parameter.options) == 1:
            return raw
        other = int(rng.integers(len(parameter.options) - 1))
        return other + (other >= raw)
    part = abs(parameter.unit(raw) + rng.normal(0, spread)) % 2
    return parameter.from_unit(part if part <= 1 else 2 - part)
