"""Makes one loss of several metrics, and of what breaks constraints, for algorithms that know only one.

Each proposal weighs the metrics otherwise, by weights drawn from its seed, so that the proposals come to lie
along the whole front (Knowles 2006, ParEGO). An algorithm that selects by rank is given ranks (Deb et al.
2002, NSGA-II).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf, isfinite

import numpy as np

from mlflow_hpo.metric import rank
from mlflow_hpo.trial import State, Trial

AUGMENTED = 0.05  # the part of the plain sum beside the largest weighted loss, as in ParEGO
ONE = "one loss"


def with_one_loss(trials: Sequence[Trial], seed: int, by_rank: bool = False) -> list[Trial]:
    """Returns trials that have one loss at each epoch; those of a study that knows only one as they are.

    Args:
        seed: of the weights.
        by_rank: the loss is the trial's place among all that got there.
    """
    if not any(len(t.results) > 1 or t.violations for t in trials):
        return list(trials)
    losses: dict[int, dict[int, float]] = {t.number: {} for t in trials}
    for epoch in sorted({epoch for t in trials for epoch in t.losses}):
        there = [t for t in trials if epoch in t.losses]
        known = _places(there, epoch) if by_rank else _weighed(there, epoch, seed)
        for number, loss in known.items():
            losses[number][epoch] = loss
    return [replace(t, results={ONE: losses[t.number]}, violations={}) for t in trials]


def losses_of(trial: Trial) -> tuple[tuple[float, ...], float]:
    """Returns a trial's last loss of each metric and its violation, of a study with several; else nothing."""
    rows = [by.get(trial.epochs, inf) for by in trial.results.values()]
    is_whole = len(rows) > 1 and all(map(isfinite, rows))
    return (tuple(rows), trial.violation()) if is_whole else ((), 0.0)


def _places(trials: Sequence[Trial], epoch: int) -> dict[int, float]:
    sound = [t for t in trials if t.state is not State.FAILED]
    return {t.number: float(place) for place, t in enumerate(rank(sound, at=epoch))}


def _weighed(trials: Sequence[Trial], epoch: int, seed: int) -> dict[int, float]:
    """Returns a loss for each trial; what breaks constraints is worse than all that does not."""
    losses = {t.number: np.array([by.get(epoch, inf) for by in t.results.values()]) for t in trials}
    losses = {number: row for number, row in losses.items() if np.isfinite(row).all()}
    values = _scalars(losses, seed)
    broken = {t.number: t.violation(epoch) for t in trials if t.number in values and t.violation(epoch)}
    if not broken:
        return values
    feasible = [value for number, value in values.items() if number not in broken]
    worst, best = max(feasible or values.values()), min(feasible or values.values())
    step = max(worst - best, 1e-9 * max(abs(worst), 1.0))
    return values | {number: worst + step * _penalty(violation) for number, violation in broken.items()}


def _penalty(violation: float) -> float:
    """Returns from 0.5 to 1.5: the more the worse, and bounded, so that a model is not bent by it."""
    return 0.5 + (violation / (1 + violation) if isfinite(violation) else 1.0)


def _scalars(
    losses: Mapping[int, "np.ndarray[tuple[int], np.dtype[np.float64]]"], seed: int
) -> dict[int, float]:
    if not losses or len(next(iter(losses.values()))) == 1:
        return {number: float(row[0]) for number, row in losses.items()}
    table = np.stack([*losses.values()])
    low, width = table.min(axis=0), np.ptp(table, axis=0)
    table = (table - low) / np.where(width > 0, width, 1.0)
    weights = np.random.default_rng(seed).dirichlet(np.ones(table.shape[1]))
    weighed = table * weights
    scalars = weighed.max(axis=1) + AUGMENTED * weighed.sum(axis=1)
    return dict(zip(losses, map(float, scalars), strict=True))
