"""Bayesian optimisation: a Gaussian process and expected improvement.

Jones et al. 1998, "Efficient Global Optimization"; Ament et al. 2023, "Unexpected Improvements to Expected
Improvement for Bayesian Optimization", for its logarithm.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random, seeded
from mlflow_hpo.algorithms.encoding import Encoding
from mlflow_hpo.algorithms.gaussian import Gaussian, fitted, standardised
from mlflow_hpo.space import Space, broken

LEAST_STARTUP, MOST_STARTUP = 5, 8  # random trials before the first fit: one per dimension, within these
STARTUP_SPREAD = 0.3  # standard deviation of their numbers from the middle, as a part of the range
LOOKED_AT = 200  # fitting costs the cube of the trials
DRAWS, NEAR = 500, 200  # random candidates; candidates near the best in each round
SPREADS = (0.1, 0.03, 0.01, 0.003, 0.001)  # of the rounds
CHANGED = 0.3  # part of the hyperparameters that a candidate near another changes
BEST = 5  # candidates and trials that others are drawn near to
CHECKED = 200  # candidates that are held against the space's constraints, from the best on

Array = Any


def gp() -> Algorithm:
    """Fits a Matérn 5/2 kernel with one length per dimension to warped numbers; options are one-hot."""
    return Algorithm(seeded(_choose), most=LOOKED_AT)


def _choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
    ended = [p for p in trials if p.loss is not None]
    if sum(not p.beaten for p in ended) < min(max(len(space.leaves), LEAST_STARTUP), MOST_STARTUP):
        return at_random(space, rng, STARTUP_SPREAD)
    running = [p for p in trials if p.loss is None][-LOOKED_AT:]
    with threadpool_limits(1):  # workers keep the cores busy: more threads would wait for each other
        encoding = Encoding(space, [*ended, *running])
        rows, losses = encoding.positions(ended, rng), np.array([p.loss for p in ended], float)
        model = fitted(encoding.features(rows), _targets(losses), encoding.groups, encoding.warped)
        if running:  # at their predicted losses, so that the next trial goes elsewhere
            model = model.with_believed(encoding.features(encoding.positions(running, rng)))
        best = rows[np.argsort(losses, kind="stable")[:BEST]]
        return encoding.raws(_best_candidate(space, encoding, model, best, rng), rng)


def _targets(losses: Array) -> Array:
    """Returns standardised losses, cut off as far above the median as the best is below it.

    How bad a bad trial was teaches nothing about where the good ones are.
    """
    losses = losses / (np.abs(losses).max() or 1.0)  # the largest floats have no sums
    best, middle = float(losses.min()), float(np.median(losses))
    return standardised(np.minimum(losses, 2 * middle - best if middle > best else losses.max()))


def _best_candidate(
    space: Space, encoding: Encoding, model: Gaussian, centres: Array, rng: np.random.Generator
) -> Array:
    known = {row.tobytes() for row in model.x.round(9)}
    target = model.predict(model.x)[0].min()  # noise makes the best measured loss too good to compare with
    rate = max(CHANGED, 1 / len(encoding.columns))
    candidates = encoding.drawn(DRAWS, rng)
    for spread in SPREADS:
        near = encoding.near(centres[np.arange(NEAR) % len(centres)], spread, rate, rng)
        candidates = np.vstack([candidates, near])
        features = encoding.features(candidates)
        new = np.array([row.tobytes() not in known for row in features.round(9)])
        gains = np.where(new, improvement(target, *model.predict(features)), -np.inf)
        ranked = candidates[np.argsort(-gains, kind="stable")]
        centres = candidates = _allowed(space, encoding, ranked, rng)
    return candidates[0]


def _allowed(space: Space, encoding: Encoding, ranked: Array, rng: np.random.Generator) -> Array:
    """Returns the first rows that keep to the space's constraints; the first of all, if none of many does."""
    if not space.where:
        return ranked[:BEST]
    allowed = (r for r in ranked[:CHECKED] if not broken(space, space.config(encoding.raws(r, rng))))
    return np.array([*islice(allowed, BEST)] or ranked[:BEST])


def improvement(target: float, mean: Array, spread: Array) -> Array:
    """Returns the logarithm of the expected improvement over a target, exact where it is next to nothing."""
    from scipy.special import erfcx, log_ndtr

    z = (target - mean) / spread
    near, far = np.maximum(z, -1.0), np.minimum(z, -1.0)
    density = np.exp(-(near**2) / 2) / np.sqrt(2 * np.pi)
    likely = np.log(density + near * np.exp(log_ndtr(near)))
    left = 1 + far * np.sqrt(np.pi / 2) * erfcx(-far / np.sqrt(2))
    unlikely = -(far**2) / 2 - np.log(2 * np.pi) / 2 + np.log(np.maximum(left, 1e-300))
    return np.log(spread) + np.where(z > -1, likely, unlikely)
