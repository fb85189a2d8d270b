"""Asks an algorithm for the next config, as a pure function of all trials."""

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random
from mlflow_hpo.algorithms.counts import RESTING, Counts, counts_at, observed_at
from mlflow_hpo.algorithms.one_loss import losses_of, with_one_loss
from mlflow_hpo.space import Space, broken, redrawn, same
from mlflow_hpo.trial import Trial, derived_seed

WEIGHTS = 1 << 16  # beside the attempts, in the seeds that are derived for a proposal
ATTEMPTS = 10  # proposals before a config is drawn at random, and draws before one is tried again


def propose(
    algorithm: Algorithm, space: Space, trials: Iterable[Trial], number: int, seed: int
) -> dict[str, Any] | None:
    """Returns the config for trial `number`: a pure function of the arguments.

    If another trial has the config already, even a running one, the algorithm is asked again with another
    derived seed, a few times; then configs are drawn at random. A small space may hold no other.

    Args:
        trials: in any order; numbers below 0 are trials of an earlier study.
        seed: the study's.

    Returns:
        None if the algorithm has nothing left to propose.
    """
    if algorithm.stage:
        algorithm = algorithm.stage(space, number)
    earlier = sorted((t for t in trials if t.number < number), key=lambda t: t.number)
    rows = {t.number: losses_of(t) for t in earlier} if algorithm.several else {}
    earlier = with_one_loss(earlier, derived_seed(seed, number, WEIGHTS), algorithm.by_rank)
    counts = counts_at(observed_at(earlier), earlier)
    earlier = [t for t in earlier if t.number >= 0 or t.number in counts]
    points = _points(algorithm, space, earlier, counts, rows)
    config: dict[str, Any] | None = None
    for attempt in range(2 * ATTEMPTS):
        random_state = derived_seed(seed, number, attempt)
        if attempt < ATTEMPTS:
            raws = algorithm.choose(space, points, number, random_state)
            if raws is None:
                return None
            raws = _allowed(space, raws, random_state)
        else:
            raws = at_random(space, np.random.default_rng(random_state))
        if broken(space, proposed := space.config(raws)):  # so few keep to the constraints
            continue
        config = proposed
        if not any(same(config, t.config) for t in earlier):
            break
    return config


def _allowed(space: Space, raws: Raws, seed: int) -> Raws:
    """Returns a proposal near the algorithm's that keeps to the space's constraints, if one is found."""
    if not (space.where and broken(space, space.config(raws))):
        return raws
    return redrawn(space, raws, random.Random(seed)) or raws


def _points(
    algorithm: Algorithm,
    space: Space,
    trials: Sequence[Trial],
    counts: Counts,
    rows: Mapping[int, tuple[tuple[float, ...], float]],
) -> list[Point]:
    """Returns the trials that the algorithm looks at; a config may be outside the space, as a baseline's.

    Args:
        rows: the losses and violations of trials with several metrics, for an algorithm that knows them.
    """
    shown = (
        t
        for t in _newest(_most(trials, counts, algorithm.most), counts, algorithm.newest)
        if algorithm.counting or t.number in counts or t.state not in RESTING
    )
    raws = ((t.number, space.raws(t.config)) for t in shown)
    return [
        Point(n, known, loss, beaten, *rows.get(n, ((), 0.0)))
        for n, known in raws
        if known is not None
        for loss, beaten in [counts.get(n, (None, False))]
    ]


def _most(trials: Sequence[Trial], counts: Counts, most: int | None) -> Sequence[Trial]:
    """Returns running trials and at most so many ended ones: the best quarter, the rest spread evenly."""
    if most is None or len(counts) <= most:
        return trials
    ranked = sorted(counts, key=lambda number: (counts[number][0], number))
    best, rest = ranked[: most // 4], ranked[most // 4 :]
    spread = np.linspace(0, len(rest) - 1, most - len(best))
    kept = {*best, *(rest[int(i)] for i in spread)}
    return [t for t in trials if t.number in kept or t.number not in counts]


def _newest(trials: Sequence[Trial], counts: Counts, newest: int | None) -> Sequence[Trial]:
    """Returns running trials and the newest that ended, from a place that moves once in `newest` trials."""
    if newest is None or len(counts) < 2 * newest:
        return trials
    ended = sorted(number for number, (_, is_rank) in counts.items() if not is_rank)
    first = ended[max(len(ended) // newest - 1, 0) * newest]
    return [t for t in trials if t.number >= first or t.number not in counts]
