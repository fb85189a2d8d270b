"""Time to target: wall seconds until a good validation loss, for a study here and for other tuners.

    python benchmarks/race.py --out results.json           # ten seeds of each system: hours
    python benchmarks/race.py --seeds 1 --systems ours ray # these systems only
    python benchmarks/race.py --calibrate 90 --tasks breast_cancer   # how a target was got

The peers come with `pip install -e '.[peers]'`. For each seed, one system after the other starts as a fresh
process and runs until an epoch ends with a val_loss at or below the target: that moment counts, imports and
all. What has not got there within --limit seconds is killed and counts as more (`>` in the table). Results
are written to --out after every run, with the best value so far over the seconds, which is drawn as a page
beside it; runs that are there already are not run again. All systems have the same seven hyperparameters,
the same split of the data, 27 epochs a trial at most and two cores:

- `ours`: `mlflow-hpo search` with tpe and asha, two workers, tracking and all. The others of ours have
  another algorithm, or train every trial to the end (`none`): see `OURS`.
- `kerastuner`: Hyperband, one process with all cores: its distributed mode needs a chief and serves machines.
- `optuna`: TPE with its Hyperband pruner and Keras callback, two processes that share one study in a journal.
- `ray`: Tune's HyperOpt search with ASHA, two trials at a time, one core each.

The tasks are the digits and a table, the breast cancer data: both come with scikit-learn.
"""

import argparse
import json
import sys
import tempfile
from math import inf
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import race_data
import race_ours
from race_plot import draw
from race_run import OURS, PEERS, SYSTEMS, Race, run, study

MAX_EPOCHS = 27
RARE = 30  # one random configuration in so many reaches the target
# `--calibrate 90`, digits: the lowest val_loss were 0.0831 0.1035 0.1118 0.1160 0.1217, the median 0.1746.
# Breast cancer: 0.0000 0.0000 0.0021 0.0030 0.0040, the median 0.0247; 91 rows to validate on are few.
TARGETS = {race_data.DIGITS: 0.1118, race_data.CANCER: 0.0021}


def race(tasks: list[str], systems: list[str], seeds: range, limit: float, out: Path | None) -> None:
    """Run what is not in `out` yet, all systems of a seed one after the other."""
    runs = known(out, limit)
    done = {(r["task"], r["system"], r["seed"]) for r in runs}
    places = [(task, seed, system) for task in tasks for seed in seeds for system in systems]
    for task, seed, system in places:
        if (task, system, seed) not in done:
            found = run(system, Race(task, seed, TARGETS[task], MAX_EPOCHS, limit))
            runs.append({"task": task, "system": system, "seed": seed} | found)
            report(runs[-1])
            save(out, limit, runs)
    for task in tasks:
        shown = [r for r in runs if r["task"] == task and r["system"] in systems]
        show(task, shown)
        if out is not None:
            draw(task, TARGETS[task], shown, out.with_name(f"{out.stem}-{task}.html"))


def known(out: Path | None, limit: float) -> list[dict[str, Any]]:
    """The runs that `out` has, if they were races to the same target within the same limit."""
    if out is None or not out.exists():
        return []
    before = json.loads(out.read_text())
    if (before["targets"], before["limit"]) != (TARGETS, limit):
        sys.exit(f"{out} holds other races, to {before['targets']} within {before['limit']:g} s")
    return list(before["runs"])


def save(out: Path | None, limit: float, runs: list[dict[str, Any]]) -> None:
    if out is not None:
        out.write_text(json.dumps({"targets": TARGETS, "limit": limit, "runs": runs}))


def report(found: dict[str, Any]) -> None:
    """One run, to stderr."""
    how = "reached" if found["reached"] else "not reached"
    best = min((loss for _, loss in found["curve"]), default=inf)
    place = f"{found['task']} seed {found['seed']:2} {found['system']:12}"
    print(f"{place} {found['seconds']:6.1f} s {how}, best {best:.4f}", file=sys.stderr, flush=True)
    if found["error"]:
        print(found["error"], file=sys.stderr, flush=True)


def show(task: str, runs: list[dict[str, Any]]) -> None:
    """The table of a task, and how the project stands to the best peer."""
    middles: dict[str, float] = {}
    print(f"{task}: seconds to val_loss {TARGETS[task]:g}")
    print(f"{'system':12}  {'runs':>4}  {'quartile':>8}  {'median':>8}  {'quartile':>8}  censored")
    limit = max(r["seconds"] for r in runs)
    for system in dict.fromkeys(r["system"] for r in runs):
        mine = [r for r in runs if r["system"] == system]
        low, middles[system], high = quartiles([r["seconds"] if r["reached"] else inf for r in mine])
        cells = "  ".join(f"{_cell(value, limit):>8}" for value in (low, middles[system], high))
        print(f"{system:12}  {len(mine):4}  {cells}  {sum(not r['reached'] for r in mine):8}")
    for system in OURS:
        show_ratio(system, middles, limit)


def quartiles(seconds: list[float]) -> tuple[float, float, float]:
    """Lower quartile, median, upper quartile; a censored run is infinite, so that none hides in a mean."""
    if len(seconds) == 1:
        return seconds[0], seconds[0], seconds[0]
    finite = [min(s, 1e9) for s in seconds]
    low, _, high = quantiles(finite, n=4, method="inclusive")
    return low, median(finite), high


def _cell(value: float, limit: float) -> str:
    """Between a run that got there and one that did not, nothing is known but that it is beyond the limit."""
    return f"{value:.1f}" if value <= limit else f">{limit:.0f}"


def show_ratio(system: str, middles: dict[str, float], limit: float) -> None:
    """One of ours over the best peer; of a median beyond the limit no more is known than that."""
    peers = {name: middle for name, middle in middles.items() if name not in OURS}
    if system in middles and peers:
        best = min(peers, key=lambda name: peers[name])
        below = "below " if peers[best] > limit else ""
        ratio = f"{below}{middles[system] / min(peers[best], limit):.2f}"
        if middles[system] > limit:
            ratio = "unknown: it is beyond the limit"
        print(f"median of {system} over that of {best}: {ratio} (goal: at most 0.33)")


def calibrate(task: str, configs: int) -> None:
    """Train random configs to the end and print the val_loss that one in `RARE` reaches."""
    with tempfile.TemporaryDirectory(prefix="race-") as name:
        options = ("--algorithm=random", f"--max-trials={configs + 1}")
        study(Path(name), race_ours.command(Path(name), task, MAX_EPOCHS, 0, *options))
        lowest = [min((m.value for m in trial), default=inf) for trial in race_ours.histories(Path(name))]
    ranked = sorted(lowest[1:])  # without the baseline
    place = max(1, round(len(ranked) / RARE))
    print(
        f"lowest val_loss of {len(ranked)} random configs: best {' '.join(f'{v:.4f}' for v in ranked[:10])}"
    )
    print(f"median {median(ranked):.4f}; target, the best but {place - 1}: {ranked[place - 1]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=["ours-none", "ours-gp", *PEERS])
    parser.add_argument("--tasks", nargs="+", choices=TARGETS, default=list(TARGETS))
    parser.add_argument("--limit", type=float, default=90)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--calibrate", type=int, metavar="CONFIGS")
    chosen = parser.parse_args()
    if chosen.calibrate:
        return calibrate(chosen.tasks[0], chosen.calibrate)
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    return race(chosen.tasks, chosen.systems, seeds, chosen.limit, chosen.out)


if __name__ == "__main__":
    main()
