"""What a proposal costs as a study grows: `python benchmarks/samplers.py --part growth`.

The known trials are random configs of one space of seven hyperparameters, with their losses. Ours is asked
by `propose`, which turns the trials into Hyperopt's form each time; Hyperopt's own TPE is asked directly, its
own form in hand. A proposal is timed five times, with five seeds, after one that is not: seconds of the
processor, which others on the machine do not change much.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import cache, partial
from statistics import median
from typing import Any

import numpy as np
from problems import PROBLEMS

from mlflow_hpo.algorithms import ALGORITHMS, algorithm, propose
from mlflow_hpo.algorithms.base import at_random
from mlflow_hpo.trial import State, Trial

SIZES = (100, 1_000, 10_000)
REPEATS = 5
PATIENCE = 20.0  # seconds: what takes longer at one size is not asked at the next
PROBLEM = PROBLEMS["mixed"]
PEER = "hyperopt tpe"
Ask = Callable[[int], Any]  # a seed -> a proposal


@cache
def history(size: int) -> list[Trial]:
    rng = np.random.default_rng(0)
    space = PROBLEM.space
    configs = (space.decode(space.vals(at_random(space, rng))) for _ in range(size))
    return [Trial(n, "", State.FINISHED, c, {"loss": {1: PROBLEM.loss(c)}}) for n, c in enumerate(configs)]


@cache
def hyperopt_history(size: int) -> Any:
    """The same trials as Hyperopt keeps them."""
    from hyperopt import STATUS_OK, Trials
    from hyperopt.base import JOB_STATE_DONE

    trials = Trials()
    for trial in history(size):
        vals = PROBLEM.space.encode(trial.config)
        assert vals is not None
        idxs = {label: [trial.number] if drawn else [] for label, drawn in vals.items()}
        misc = {"tid": trial.number, "cmd": None, "workdir": None, "idxs": idxs, "vals": vals}
        result = {"status": STATUS_OK, "loss": trial.loss}
        (document,) = trials.new_trial_docs([trial.number], [None], [result], [misc])
        trials.insert_trial_doc(document | {"state": JOB_STATE_DONE})
    trials.refresh()
    return trials


def asker(method: str, size: int) -> Ask:
    if method == PEER:
        from hyperopt import tpe

        return lambda seed: tpe.suggest(
            [size], PROBLEM.space.domain, hyperopt_history(size), seed, verbose=False
        )
    return partial(propose, algorithm(method), PROBLEM.space, history(size), size)


def seconds(ask: Ask) -> float:
    ask(REPEATS)  # imports, caches
    taken = []
    for seed in range(REPEATS):
        started = time.process_time()
        ask(seed)
        taken.append(time.process_time() - started)
    return median(taken)


def row(method: str) -> list[float]:
    """NaN for a size that it was not asked at."""
    taken: list[float] = []
    for size in SIZES:
        print(f"growth: {method} after {size}", file=sys.stderr, flush=True)
        slow = bool(taken) and not taken[-1] <= PATIENCE
        taken.append(math.nan if slow else seconds(asker(method, size)))
    return taken


def growth_part(methods: list[str]) -> None:
    print(f"Seconds of the processor for a proposal, the median of {REPEATS}, seven hyperparameters\n")
    print(f"{'known trials':14}" + "".join(f"{size:>10,}" for size in SIZES) + f"{'last/first':>12}")
    for method in (m for m in methods if m in ALGORITHMS or m == PEER):
        taken = row(method)
        cells = "".join(f"{s:10.4f}" if s == s else f"{'skipped':>10}" for s in taken)
        print(f"{method:14}{cells}{taken[-1] / taken[0]:12.1f}", flush=True)
    print(f"skipped: it took more than {PATIENCE:g} s with fewer trials")
