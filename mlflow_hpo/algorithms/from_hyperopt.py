"""Hyperopt's own algorithms."""

import random as global_random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import datetime
from importlib.util import find_spec
from io import StringIO
from math import sqrt
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm
from mlflow_hpo.errors import ConfigError

STARTUP_TRIALS = 10  # random before TPE's model; Hyperopt's own 20 would leave a default study no model
GAMMA = 0.25  # Hyperopt's own: ceil(GAMMA * sqrt(trials)) of them, 25 at most, are the good ones
EPOCH = datetime(1970, 1, 1)  # atpe asks how long trials took, and uses it for nothing
LOOKED_AT = 400  # TPE's cost grows with its trials, and what the worse ones teach does not


def tpe() -> Algorithm:
    """Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"."""
    return Algorithm(_tpe, most=LOOKED_AT)


def _tpe(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    from hyperopt import tpe

    whole, seen = max(new_ids[0], 1), max(len(trials.trials), 1)
    gamma = GAMMA * max(sqrt(whole / seen), 1.0)  # as many good ones as if all trials were looked at
    how = {"n_startup_jobs": STARTUP_TRIALS, "gamma": gamma, "verbose": False}
    return list(tpe.suggest(new_ids, domain, trials, seed, **how))


def random() -> Algorithm:
    """Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization"."""
    from hyperopt import rand

    return Algorithm(rand.suggest, most=0)


def anneal() -> Algorithm:
    """Hyperopt's annealing: near a good trial, ever nearer as trials come in."""
    from hyperopt import anneal as hyperopt_anneal

    return Algorithm(hyperopt_anneal.suggest)


def atpe() -> Algorithm:
    """Adaptive TPE (Arsenault 2018): TPE with its own settings predicted by trained models.

    Raises:
        ConfigError: what it needs is not installed.
    """
    if find_spec("lightgbm") is None:
        raise ConfigError("algorithm 'atpe' needs lightgbm: pip install 'mlflow-hpo[atpe]'")
    return Algorithm(_atpe)


def _atpe(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    """Hyperopt's own knows no trial without a loss or without times, and draws from the global generators."""
    import lightgbm  # noqa: F401 (its import draws random numbers, and the first call must be as the others)
    from hyperopt import atpe as hyperopt_atpe
    from hyperopt import rand, trials_from_docs

    ended = [d for d in trials.trials if d["result"].get("loss") is not None]
    if len(ended) < STARTUP_TRIALS:
        return list(rand.suggest(new_ids, domain, trials, seed))
    timed = [d | {"book_time": EPOCH, "refresh_time": EPOCH} for d in ended]
    with _global_seed(seed), redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return list(hyperopt_atpe.suggest(new_ids, domain, trials_from_docs(timed, validate=False), seed))


@contextmanager
def _global_seed(seed: int) -> Iterator[None]:
    kept = global_random.getstate(), np.random.get_state()
    global_random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        global_random.setstate(kept[0])
        np.random.set_state(kept[1])
