"""Hyperopt's own algorithms."""

import random as global_random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from datetime import datetime
from importlib.util import find_spec
from io import StringIO
from itertools import count
from math import sqrt
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, foreign
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Parameter, Space

STARTUP_TRIALS = 10  # random before TPE's model; Hyperopt's own 20 would leave a default study no model
GAMMA = 0.25  # Hyperopt's own: ceil(GAMMA * sqrt(trials)) of them, 25 at most, are the good ones
EPOCH = datetime(1970, 1, 1)  # atpe asks how long trials took, and uses it for nothing
LOOKED_AT = 400  # TPE's cost grows with its trials, and what the worse ones teach does not


def tpe() -> Algorithm:
    """Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"."""
    return Algorithm(_tpe, most=LOOKED_AT)


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
    return Algorithm(foreign("atpe", _atpe))


def _atpe(new_ids: list[int], domain: Any, trials: Any, seed: int) -> list[dict[str, Any]]:
    """Hyperopt's own knows no trial without a loss or without times, and draws from the global generators."""
    import lightgbm  # noqa: F401 (its import draws random numbers, and the first call must be as the others)
    from hyperopt import atpe as hyperopt_atpe
    from hyperopt import rand, trials_from_docs

    ended = _ended(trials)
    if len(ended) < STARTUP_TRIALS:
        return list(rand.suggest(new_ids, domain, trials, seed))
    space = _neutral(domain.space, count())
    there = dict(zip(domain.space.leaves, space.leaves, strict=True))
    here = {neutral: label for label, neutral in there.items()}
    timed = [_relabelled(d, there) | {"book_time": EPOCH, "refresh_time": EPOCH} for d in ended]
    history = trials_from_docs(timed, validate=False)
    with _global_seed(seed), redirect_stdout(StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [_relabelled(d, here) for d in hyperopt_atpe.suggest(new_ids, space.domain, history, seed)]


def _ended(trials: Any) -> list[dict[str, Any]]:
    return [d for d in trials.trials if d["result"].get("loss") is not None]


def _neutral(space: Space, numbers: Iterator[int]) -> Space:
    """The space under other names: atpe mistakes one called `loss` or `status` for its own."""
    return Space({f"p{next(numbers)}": _below(p, numbers) for p in space.parameters.values()})


def _below(parameter: Parameter, numbers: Iterator[int]) -> Parameter:
    if not isinstance(parameter, Choice):
        return parameter
    options = (replace(o, space=_neutral(o.space, numbers) if o.space else None) for o in parameter.options)
    return Choice(tuple(options))


def _relabelled(document: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """A document of Hyperopt's with its labels by other names."""
    misc = document["misc"]
    changed = {key: {names[label]: value for label, value in misc[key].items()} for key in ("vals", "idxs")}
    return {**document, "misc": {**misc, **changed}}


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
