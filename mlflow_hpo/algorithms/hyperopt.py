"""Hyperopt's own algorithms."""

from math import sqrt
from typing import Any

from mlflow_hpo.algorithms.base import Algorithm
from mlflow_hpo.algorithms.suggest import by_level

STARTUP_TRIALS = 10  # random before TPE's model; Hyperopt's own 20 would leave a default study no model
GAMMA = 0.25  # Hyperopt's own: ceil(GAMMA * sqrt(trials)) of them, 25 at most, are the good ones
LOOKED_AT = 400  # the cost grows with the trials, and what the worse ones teach does not
SHRINK = 0.1  # Hyperopt's own, of anneal


def tpe() -> Algorithm:
    """Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"."""
    return Algorithm(by_level(_tpe), most=LOOKED_AT)


def _tpe(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    from hyperopt import rand, tpe

    if len(_ended(trials)) < STARTUP_TRIALS / 2:  # with many workers others run, and teach nothing yet
        return list(rand.suggest(new_ids, domain, trials, seed))
    whole, seen = max(new_ids[0], 1), max(len(trials.trials), 1)
    gamma = GAMMA * max(sqrt(whole / seen), 1.0)  # as many good ones as if all trials were looked at
    how = {"n_startup_jobs": STARTUP_TRIALS, "gamma": gamma, "verbose": False}
    return list(tpe.suggest(new_ids, domain, trials, seed, **how))


def random() -> Algorithm:
    """Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization"."""
    from hyperopt import rand

    return Algorithm(by_level(rand.suggest), most=0)


def anneal() -> Algorithm:
    """Hyperopt's annealing: near a good trial, ever nearer as trials come in."""
    return Algorithm(by_level(_anneal), most=LOOKED_AT)


def _anneal(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    from hyperopt import anneal

    share = max(new_ids[0], 1) / max(len(trials.trials), 1)  # as near as if all trials were looked at
    return list(anneal.suggest(new_ids, domain, trials, seed, shrink_coef=SHRINK * max(share, 1.0)))


def _ended(trials: Any) -> list[dict[str, Any]]:
    return [d for d in trials.trials if d["result"].get("loss") is not None]
