"""Searches numeric hyperparameters by CMA-ES (Hansen 2016), with the `cmaes` library."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from cmaes import CMA

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, seeded
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Float, Int, Searched, Space

SIGMA = 0.25  # standard deviation of the first generation, as a part of each range
FEWEST = 2  # dimensions
LOOKED_AT = 500  # trials at least, from which the path is rebuilt


def cma() -> Algorithm:
    """Rebuilds the evolution path from the trials; each generation is the next few that ended.

    Options of choices are drawn by how often the best third of the trials has them.
    """
    return Algorithm(seeded(_choose), check=_check, newest=LOOKED_AT)


def _check(space: Space) -> None:
    count = sum(not isinstance(p, Choice) for p in space.leaves.values())
    if count < FEWEST:
        raise ConfigError(
            f"algorithm 'cmaes' needs {FEWEST} numeric hyperparameters, the space has "
            f"{count}: take gp, tpe or evolution"
        )


def _numeric(space: Space, ended: Sequence[tuple[Point, float]]) -> dict[str, Searched]:
    """Returns the numbers that are always active, and those that any trial had: it learns of no other."""
    active = {label for point, _ in ended for label in point.raws}
    known = {**space.parameters, **{label: space.leaves[label] for label in sorted(active)}}
    return {label: p for label, p in known.items() if isinstance(p, Float | Int)}


def _choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
    ended = [(p, p.loss) for p in trials if p.loss is not None and not p.beaten]
    numeric = _numeric(space, ended)
    engine = _rebuilt(numeric, ended, int(rng.integers(2**31)))
    position = dict(zip(numeric, engine.ask(), strict=True)) if engine else {}
    ranked = sorted(ended, key=lambda pair: (pair[1], pair[0].number))
    better = [point for point, _ in ranked[: max(1, len(ranked) // 3)]]

    def pick(label: str, parameter: Searched) -> Any:
        if label in position:
            return parameter.from_unit(float(position[label]))
        if not isinstance(parameter, Choice):
            return parameter.from_unit(rng.random())
        weights = np.ones(len(parameter.options))
        for point in better:
            if label in point.raws:
                weights[point.raws[label]] += 1
        return int(rng.choice(len(weights), p=weights / weights.sum()))

    return space.walk(pick)


def _rebuilt(numeric: dict[str, Searched], ended: Sequence[tuple[Point, float]], seed: int) -> Any:
    size = len(numeric)
    if size < FEWEST:  # while no trial has had more
        return None
    engine = CMA(np.full(size, 0.5), SIGMA, np.array([[0.0, 1.0]] * size), seed=seed)
    for first in range(0, len(ended) - engine.population_size + 1, engine.population_size):
        generation = ended[first : first + engine.population_size]
        engine.tell([(_position(numeric, p.raws, engine.mean), loss) for p, loss in generation])
    return engine


def _position(numeric: dict[str, Searched], raws: Raws, middle: Any) -> Any:
    """Returns a trial's position; inactive hyperparameters are in the middle and pull nowhere."""
    return np.array([p.unit(raws[k]) if k in raws else middle[i] for i, (k, p) in enumerate(numeric.items())])
