"""Bayesian optimisation: a Gaussian process and expected improvement.

Jones et al. 1998, "Efficient Global Optimization"; Snoek et al. 2012, "Practical Bayesian Optimization".
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from mlflow_hpo.algorithms.base import Algorithm, Point, Raws, at_random, seeded
from mlflow_hpo.algorithms.evolution import mutated
from mlflow_hpo.space import Choice, Searched, Space, broken

LEAST_STARTUP, MOST_STARTUP = 5, 10  # random trials before the first fit: one per dimension, within these
LOOKED_AT = 200  # fitting costs the cube of the trials
DRAWS, NEAR, ROUNDS = 1000, 200, 3  # random candidates; candidates near the best per round; rounds
ITERATIONS = 30  # of the optimiser of the kernel's parameters
ABSENT = 0.5  # the feature of an inactive hyperparameter

Array = Any
Columns = Mapping[str, tuple[Searched, Mapping[int, int]]]  # label -> option taken -> its place


def gp() -> Algorithm:
    """Fits a Matérn 5/2 kernel with one length per dimension; options are one-hot features."""
    return Algorithm(seeded(_choose), most=LOOKED_AT)


def _choose(space: Space, trials: Sequence[Point], number: int, rng: np.random.Generator) -> Raws:
    columns = columns_of(space, trials)
    ended = [p for p in trials if p.loss is not None]
    done = [p for p in ended if not p.beaten]
    if len(done) < min(max(len(space.leaves), LEAST_STARTUP), MOST_STARTUP):
        return at_random(space, rng)
    ranked = sorted(done, key=lambda p: (p.loss, p.number))
    with threadpool_limits(1):  # workers keep the cores busy: more threads would wait for each other
        model = _fitted(columns, ended, rng)
        running = [p for p in trials if p not in ended]
        if running:
            _believe(model, np.array([features(columns, p.raws) for p in running]))
        return _best_candidate(space, columns, model, ranked, {_key(p.raws) for p in trials}, rng)


def _key(raws: Raws) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(raws.items()))


def columns_of(space: Space, trials: Sequence[Point]) -> Columns:
    """Returns what features stand for: hyperparameters that were active, and the options that were taken.

    An option that no trial took has no place of its own: all of them are as far from every trial.
    """
    taken = dict[str, set[int]]()
    for point in trials:
        for label, raw in point.raws.items():
            taken.setdefault(label, set()).add(int(raw))
    return {
        label: (space.leaves[label], {raw: i for i, raw in enumerate(sorted(raws))})
        for label, raws in sorted(taken.items())
    }


def features(columns: Columns, raws: Raws) -> list[float]:
    """Returns a trial as numbers from 0 to 1: a choice has one for each option taken, one for the rest."""
    row: list[float] = []
    for label, (parameter, options) in columns.items():
        if isinstance(parameter, Choice):
            one_hot = [0.0] * (len(options) + (len(options) < len(parameter.options)))
            if label in raws:
                one_hot[options.get(raws[label], -1)] = 1.0
            row += one_hot
        else:
            row.append(parameter.unit(raws[label]) if label in raws else ABSENT)
    return row


def _targets(ended: Sequence[Point]) -> Array:
    """Returns standardised losses, cut off as far above the median as the best is below it.

    How bad a bad trial was teaches nothing about where the good ones are.
    """
    losses = np.array([p.loss for p in ended], float)
    best, middle = losses.min(), np.median(losses)
    return _standardised(np.minimum(losses, middle + (middle - best) if middle > best else losses.max()))


def _standardised(losses: Array) -> Array:
    return (losses - losses.mean()) / (losses.std() or 1.0)


def _fitted(columns: Columns, ended: Sequence[Point], rng: np.random.Generator) -> Any:
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

    x, y = np.array([features(columns, p.raws) for p in ended]), _targets(ended)
    lengths = np.ones(x.shape[1])
    kernel = ConstantKernel(1.0, (0.05, 20.0)) * Matern(lengths, (0.1, 10.0), nu=2.5)
    model = GaussianProcessRegressor(
        kernel + WhiteKernel(1e-2, (1e-6, 1.0)),
        optimizer=_optimised,
        random_state=int(rng.integers(2**31)),
    )
    return _quietly(model, x, y)


def _optimised(objective: Any, start: Array, bounds: Array) -> tuple[Array, float]:
    from scipy.optimize import minimize

    optimum = minimize(
        objective, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"maxiter": ITERATIONS}
    )
    return optimum.x, optimum.fun


def _believe(model: Any, x: Array) -> None:
    """Refits with running trials at their predicted losses, so that the next trial goes elsewhere."""
    losses = np.concatenate([model.y_train_, model.predict(x)])
    model.set_params(kernel=model.kernel_, optimizer=None)
    _quietly(model, np.vstack([model.X_train_, x]), _standardised(losses))


def _quietly(model: Any, x: Array, y: Array) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a parameter at its bound, or few iterations
        return model.fit(x, y)


def _best_candidate(
    space: Space,
    columns: Columns,
    model: Any,
    ranked: Sequence[Point],
    tried: set[Any],
    rng: np.random.Generator,
) -> Raws:
    candidates = [at_random(space, rng) for _ in range(DRAWS)]
    centres = [p.raws for p in ranked[:5]]
    for spread in (0.1**i for i in range(1, ROUNDS + 1)):
        candidates += [_near(space, centres[i % len(centres)], spread, rng) for i in range(NEAR)]
        candidates = [c for c in candidates if _key(c) not in tried and _is_allowed(space, c)] or candidates
        gains = _improvement(model, np.array([features(columns, c) for c in candidates]))
        candidates = [candidates[i] for i in np.argsort(-gains, kind="stable")[:5]]
        centres = candidates
    return candidates[0]


def _is_allowed(space: Space, raws: Raws) -> bool:
    return not (space.where and broken(space, space.config(raws)))


def _near(space: Space, centre: Raws, spread: float, rng: np.random.Generator) -> Raws:
    rate = max(0.3, 1 / max(len(centre), 1))

    def pick(label: str, parameter: Searched) -> Any:
        if label not in centre:
            return parameter.from_unit(rng.random())
        change = rng.random() < (rate if not isinstance(parameter, Choice) else rate / 2)
        return mutated(parameter, centre[label], rng, spread) if change else centre[label]

    return space.walk(pick)


def _improvement(model: Any, x: Array) -> Array:
    """Returns the expected improvement over the best predicted mean.

    Noise makes the best measured loss too good to compare with.
    """
    from scipy.stats import norm

    best = model.predict(model.X_train_).min()
    mean, spread = model.predict(x, return_std=True)
    noise = model.kernel_.k2.noise_level  # no reason to try a point again
    spread = np.sqrt(np.maximum(spread**2 - noise, 1e-18))
    z = (best - mean) / spread
    return (best - mean) * norm.cdf(z) + spread * norm.pdf(z)
