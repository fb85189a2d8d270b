"""Search algorithms: functions with Hyperopt's suggest interface, and `propose`, which asks one."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import numpy as np

from mlflow_hpo.errors import unknown
from mlflow_hpo.space import Space
from mlflow_hpo.trial import State, Trial

Suggest = Callable[..., list[dict[str, Any]]]  # suggest(new_ids, domain, trials, seed)

STARTUP_TRIALS = 10  # random before TPE's model; Hyperopt's own 20 would leave a default study no model
ATTEMPTS = 10  # draws before a config that was proposed already is taken again


def _tpe() -> Suggest:
    """Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization"."""
    from hyperopt import tpe

    return partial(tpe.suggest, n_startup_jobs=STARTUP_TRIALS)


def _random() -> Suggest:
    """Bergstra and Bengio 2012, "Random Search for Hyper-Parameter Optimization"."""
    from hyperopt import rand

    return rand.suggest  # type: ignore[no-any-return]


ALGORITHMS: Mapping[str, Callable[[], Suggest]] = {"tpe": _tpe, "random": _random}


def check_algorithm(name: str) -> None:
    """Raise ConfigError where no algorithm has this name."""
    if name not in ALGORITHMS:
        raise unknown("algorithm", name, ALGORITHMS)


def algorithm(name: str) -> Suggest:
    """The suggest function with this name.

    Raises:
        ConfigError: there is none.
    """
    check_algorithm(name)
    return ALGORITHMS[name]()


def propose(
    suggest: Suggest, space: Space, trials: Iterable[Trial], number: int, seed: int
) -> dict[str, Any]:
    """The config for trial `number`: a pure function of its arguments.

    The trials may come in any order. Those that run count as known and bad, so that parallel
    proposals keep apart. A config that a trial has already is drawn again with another derived seed,
    a few times: a small space may hold no other.
    """
    from hyperopt import trials_from_docs

    known = sorted((t for t in trials if t.number < number), key=lambda t: t.number)
    history = trials_from_docs([d for t in known if (d := _document(t, space))], validate=False)
    seen = [dict(t.config) for t in known]
    config: dict[str, Any] = {}
    for attempt in range(ATTEMPTS):
        state = np.random.SeedSequence([seed, number, attempt]).generate_state(1)
        documents = suggest([number], space.domain, history, int(state[0]) % 2**31)
        config = space.decode(documents[0]["misc"]["vals"])
        if config not in seen:
            break
    return config


def _document(trial: Trial, space: Space) -> dict[str, Any] | None:
    """Hyperopt's document of a trial; None where its config is outside the space (a baseline may be)."""
    vals = space.encode(trial.config)
    if vals is None:
        return None
    misc = {
        "tid": trial.number,
        "cmd": None,
        "workdir": None,
        "vals": vals,
        "idxs": {label: [trial.number] if drawn else [] for label, drawn in vals.items()},
    }
    known = {"tid": trial.number, "spec": None, "misc": misc, "exp_key": None, "owner": None, "version": 0}
    return known | {"book_time": None, "refresh_time": None} | _outcome(trial)


def _outcome(trial: Trial) -> dict[str, Any]:
    from hyperopt import base

    if trial.state is State.FAILED:
        return {"state": base.JOB_STATE_ERROR, "result": {"status": base.STATUS_FAIL}}
    if trial.loss is None:
        return {"state": base.JOB_STATE_RUNNING, "result": {"status": base.STATUS_RUNNING}}
    return {"state": base.JOB_STATE_DONE, "result": {"status": base.STATUS_OK, "loss": trial.loss}}
