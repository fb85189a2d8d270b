"""Samplers alone: every algorithm here beside Hyperopt and Optuna used directly, one trial after another.

    python benchmarks/samplers.py                              # both parts
    python benchmarks/samplers.py --part regret --jobs 2       # one part: regret or growth
    python benchmarks/samplers.py --only gp tpe mixed svc      # these methods and these problems

`regret`: the median over the seeds of how far the best config found lies above the optimum, and each method's
mean rank over the problems by that median (1 is best; equal medians share their ranks). `growth`: seconds
for one proposal after 100, 1,000 and 10,000 trials.
"""

import argparse
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from statistics import mean, median

import growth
import numpy as np
from problems import PROBLEMS, Problem
from sampler_methods import METHODS, applies
from scipy.stats import rankdata

from mlflow_hpo.trial import Config

BUDGETS = (15, 30, 60)
Place = tuple[str, str, int]  # problem, method, seed
Table = Mapping[tuple[str, str], float]  # problem and method -> median regret
Losses = list[float]  # without noise, of the config with the lowest loss seen so far


@dataclass
class Record:
    """Evaluates configs and keeps what a user who picks the best loss would have after each."""

    problem: Problem
    rng: np.random.Generator
    best_seen: float = np.inf
    losses: Losses = field(default_factory=list)

    def __call__(self, config: Config) -> float:
        seen = self.problem.seen(config, self.rng)
        better = seen < self.best_seen
        self.best_seen = min(seen, self.best_seen)
        self.losses.append(self.problem.loss(config) if better else self.losses[-1])
        return seen


def cell(evaluations: int, place: Place) -> tuple[Place, Losses]:
    """One problem, one method, one seed."""
    problem, method, seed = place
    record = Record(PROBLEMS[problem], np.random.default_rng([seed, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        METHODS[method](record.problem.space, record, evaluations, seed, 1)
    return place, record.losses


def regret_part(problems: list[str], methods: list[str], seeds: int, evaluations: int, jobs: int) -> None:
    wanted = [(p, m) for p in problems for m in methods if applies(m, PROBLEMS[p].space)]
    places = [(p, m, seed) for p, m in wanted for seed in range(seeds)]
    found: dict[Place, Losses] = {}
    for place, losses in _cells(places, evaluations, jobs):
        found[place] = losses
        print(f"\r{len(found)} of {len(places)}: {place}", end="   ", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(
        f"Regret, the median of {seeds} seeds; for real tasks over the best loss found by any method here\n"
    )
    budgets = [b for b in BUDGETS if b <= evaluations]
    medians = {budget: _medians(found, wanted, seeds, budget) for budget in budgets}
    for budget in budgets[-2:]:
        _print_regret(medians[budget], problems, methods, budget)
    _print_ranks(medians, problems, methods)


def _cells(places: list[Place], evaluations: int, jobs: int) -> Iterator[tuple[Place, Losses]]:
    if jobs == 1:
        yield from map(partial(cell, evaluations), places)
    else:
        with get_context("spawn").Pool(jobs) as pool:
            yield from pool.imap_unordered(partial(cell, evaluations), places)


def _medians(found: Mapping[Place, Losses], wanted: list[tuple[str, str]], seeds: int, budget: int) -> Table:
    def regrets(problem: str, method: str) -> list[float]:
        least = PROBLEMS[problem].least
        seen = (min(losses) for (p, _, _), losses in found.items() if p == problem)
        optimum = min(seen) if least is None else least()
        return [found[problem, method, seed][budget - 1] - optimum for seed in range(seeds)]

    return {(p, m): median(regrets(p, m)) for p, m in wanted}


def _print_regret(table: Table, problems: list[str], methods: list[str], budget: int) -> None:
    print(f"{f'after {budget}':14}" + "".join(f"{m:>14}" for m in methods))
    for problem in problems:
        row = (f"{table[problem, m]:14.4g}" if (problem, m) in table else f"{'-':>14}" for m in methods)
        print(f"{problem:14}" + "".join(row))
    print()


def _print_ranks(medians: Mapping[int, Table], problems: list[str], methods: list[str]) -> None:
    print(f"{'mean rank':14}" + "".join(f"{m:>14}" for m in methods))
    for budget, table in medians.items():
        ranks: dict[str, list[float]] = {m: [] for m in methods}
        for problem in problems:
            known = [m for m in methods if (problem, m) in table]
            for method, rank in zip(known, rankdata([table[problem, m] for m in known]), strict=True):
                ranks[method].append(float(rank))
        row = (f"{mean(r):14.2f}" if r else f"{'-':>14}" for r in ranks.values())
        print(f"{f'after {budget}':14}" + "".join(row), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["regret", "growth"])
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--evaluations", type=int, default=60)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=[*METHODS, *PROBLEMS], default=[])
    parser.add_argument("--jobs", type=int, default=1)
    chosen = parser.parse_args()
    methods = [m for m in METHODS if m in chosen.only] or list(METHODS)
    problems = [p for p in PROBLEMS if p in chosen.only] or list(PROBLEMS)
    if chosen.part in (None, "regret"):
        regret_part(problems, methods, chosen.seeds, chosen.evaluations, chosen.jobs)
    if chosen.part in (None, "growth"):
        growth.growth_part(methods)


if __name__ == "__main__":
    main()
