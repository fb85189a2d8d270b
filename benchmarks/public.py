"""Every algorithm here beside its peers, on benchmarks that nobody here wrote.

    python benchmarks/public.py --half shown --suites tables bbob --seeds 5 --jobs 2
    python benchmarks/public.py --methods auto "optuna tpe" --at-once 4

Prints, for each suite and after so many evaluations, each method's mean rank over problems and seeds (1 is
best), the critical difference by which two mean ranks must differ (Nemenyi, at 5 %; Friedman's p before it),
and the median normalised regret: 0 is the optimum, 1 the median of random configs. What is compared is the
true value of the config with the best loss seen so far.

Every other problem of each suite, from the first by name on, was `learnt` on: rules and constants were chosen
there, and the `shown` half is what figures are quoted from. `--keep FILE` writes each run down, and takes
those that are there already.
"""

import argparse
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import numpy as np
from public_problems import SUITES, half, optimum, problem, scale
from sampler_methods import METHODS, ONE_AT_A_TIME, applies
from samplers import Losses, Record
from scipy.stats import friedmanchisquare, rankdata, studentized_range

BUDGETS = (15, 30, 50, 100)
USUAL = ("auto", "gp", "tpe", "random", "anneal", "evolution", "cmaes", "hyperopt tpe", "optuna tpe",
         "optuna gp", "pycma")  # fmt: skip
Cell = tuple[str, str, str, int, int]  # suite, problem, method, seed, how many at once
Found = Mapping[Cell, Losses]


def run(evaluations: int, cell: Cell) -> tuple[Cell, Losses]:
    suite, name, method, seed, at_once = cell
    record = Record(problem(suite, name), np.random.default_rng([seed, 1]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        METHODS[method](record.problem.space, record, evaluations, seed, at_once)
    return cell, record.losses


def runs(cells: list[Cell], evaluations: int, jobs: int, keep: Path | None) -> dict[Cell, Losses]:
    found: dict[Cell, Losses] = {}
    for line in keep.read_text().splitlines() if keep and keep.exists() else ():
        cell, losses = json.loads(line)
        if len(losses) >= evaluations:
            found[tuple(cell)] = losses
    missing = [cell for cell in cells if cell not in found]
    for count, (cell, losses) in enumerate(_ran(missing, evaluations, jobs), 1):
        found[cell] = losses
        if keep:
            with keep.open("a") as file:
                print(json.dumps([cell, losses]), file=file)
        print(f"\r{count} of {len(missing)}: {cell}", end="    ", file=sys.stderr, flush=True)
    return found


def _ran(cells: list[Cell], evaluations: int, jobs: int) -> Iterator[tuple[Cell, Losses]]:
    if jobs == 1:
        yield from map(partial(run, evaluations), cells)
    else:
        with get_context("spawn").Pool(jobs) as pool:
            yield from pool.imap_unordered(partial(run, evaluations), cells)


def tell(found: Found, suite: str, names: list[str], methods: list[str], seeds: int, at_once: int) -> None:
    applying = [m for m in methods if all(applies(m, problem(suite, name).space) for name in names)]
    applying = [m for m in applying if at_once == 1 or m not in ONE_AT_A_TIME]
    cells = [(name, seed) for name in names for seed in range(seeds)]
    evaluations = min(len(losses) for losses in found.values())
    print(f"\n{suite}, {len(names)} problems, {seeds} seeds, {at_once} at once")
    print(f"{'mean rank':14}" + "".join(f"{m:>14}" for m in applying) + f"{'critical':>14}{'p':>10}")
    budgets = [budget for budget in BUDGETS if budget <= evaluations]
    tables = {
        budget: np.array([[found[suite, n, m, s, at_once][budget - 1] for m in applying] for n, s in cells])
        for budget in budgets
    }
    for budget, table in tables.items():
        ranks = np.array([rankdata(row) for row in table])
        by_problem = ranks.reshape(len(names), seeds, -1).mean(
            axis=1
        )  # seeds of a problem are no new problem
        row = "".join(f"{rank:14.2f}" for rank in by_problem.mean(axis=0))
        print(f"{f'after {budget}':14}{row}{_difference(by_problem):14.2f}{_chance(by_problem):10.2g}")
    print("normalised regret")
    for budget, table in tables.items():
        least = np.array([optimum(suite, n) for n, _ in cells])
        regrets = (table - least[:, None]) / np.array([scale(suite, n) for n, _ in cells])[:, None]
        row = "".join(f"{median(column):14.4g}" for column in regrets.T)
        print(f"{f'after {budget}':14}{row}", flush=True)


def _difference(ranks: np.ndarray) -> float:
    """Nemenyi's critical difference of mean ranks (Demšar 2006)."""
    problems, methods = ranks.shape
    if methods < 2:
        return float("nan")
    quantile = studentized_range.ppf(0.95, methods, np.inf) / np.sqrt(2)
    return float(quantile * np.sqrt(methods * (methods + 1) / (6 * problems)))


def _chance(ranks: np.ndarray) -> float:
    """How likely such ranks are if no method is better than another (Friedman)."""
    return float(friedmanchisquare(*ranks.T).pvalue) if ranks.shape[1] > 2 else float("nan")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suites", nargs="+", choices=list(SUITES), default=list(SUITES))
    parser.add_argument("--half", choices=["learnt", "shown", "all"], default="shown")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=[*USUAL])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FILE")
    chosen = parser.parse_args()
    names = {suite: half(suite, chosen.half) for suite in chosen.suites}
    cells = [
        (suite, name, method, seed, chosen.at_once)
        for seed in range(chosen.seeds)
        for suite in chosen.suites
        for name in names[suite]
        for method in chosen.methods
        if applies(method, problem(suite, name).space)
        and (chosen.at_once == 1 or method not in ONE_AT_A_TIME)
    ]
    found = runs(cells, chosen.evaluations, chosen.jobs, chosen.keep)
    for suite in chosen.suites:
        tell(found, suite, names[suite], chosen.methods, chosen.seeds, chosen.at_once)


if __name__ == "__main__":
    main()
