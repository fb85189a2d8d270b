"""Asks an algorithm for the next config, as a pure function of all trials."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, at_random
from mlflow_hpo.algorithms.counts import RESTING, Counts, counts_at, observed_at
from mlflow_hpo.space import Space, same
from mlflow_hpo.trial import Trial, derived_seed

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
    earlier = sorted((t for t in trials if t.number < number), key=lambda t: t.number)
    counts = counts_at(observed_at(earlier), earlier)
    earlier = [t for t in earlier if t.number >= 0 or t.number in counts]
    history = _history(algorithm, space, earlier, counts)
    config: dict[str, Any] = {}
    for attempt in range(2 * ATTEMPTS):
        random_state = derived_seed(seed, number, attempt)
        if attempt < ATTEMPTS:
            answer = algorithm.suggest([number], space.domain, history, random_state)
            if not answer:
                return None
            vals = answer[0]["misc"]["vals"]
        else:
            vals = space.vals(at_random(space, np.random.default_rng(random_state)))
        config = space.decode(vals)
        if not any(same(config, t.config) for t in earlier):
            break
    return config


def _history(algorithm: Algorithm, space: Space, trials: Sequence[Trial], counts: Counts) -> Any:
    """Returns Hyperopt's `Trials` with those that the algorithm looks at."""
    from hyperopt import trials_from_docs

    shown = (
        t
        for t in _most(trials, counts, algorithm.most)
        if algorithm.counting or t.number in counts or t.state not in RESTING
    )
    documents = (_document(t, space, counts) for t in shown)
    return trials_from_docs([d for d in documents if d], validate=False)


def _most(trials: Sequence[Trial], counts: Counts, most: int | None) -> Sequence[Trial]:
    """Returns running trials and at most so many ended ones: the best quarter, the rest spread evenly."""
    if most is None or len(counts) <= most:
        return trials
    ranked = sorted(counts, key=lambda number: (counts[number][0], number))
    best, rest = ranked[: most // 4], ranked[most // 4 :]
    spread = np.linspace(0, len(rest) - 1, most - len(best))
    kept = {*best, *(rest[int(i)] for i in spread)}
    return [t for t in trials if t.number in kept or t.number not in counts]


def _document(trial: Trial, space: Space, counts: Counts) -> dict[str, Any] | None:
    """Returns Hyperopt's document of a trial; None if its config is outside the space (a baseline may be)."""
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
    fields = {"tid": trial.number, "spec": None, "misc": misc, "exp_key": None, "owner": None, "version": 0}
    return fields | {"book_time": None, "refresh_time": None} | _outcome(counts.get(trial.number))


def _outcome(count: tuple[float, bool] | None) -> dict[str, Any]:
    from hyperopt import base

    if count is None:
        return {"state": base.JOB_STATE_RUNNING, "result": {"status": base.STATUS_RUNNING}}
    return {
        "state": base.JOB_STATE_DONE,
        "result": {"status": base.STATUS_OK, "loss": count[0], "beaten": count[1]},
    }
