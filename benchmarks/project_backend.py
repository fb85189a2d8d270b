"""What a trial of a project costs beyond its own process, in seconds and tracking calls, beside `mlflow run`.

    python benchmarks/project_backend.py     # four minutes on two cores

The project's command notes when it begins and when it ends. With one worker, a trial's own cost is what lies
between the end of one process and the start of the next; for `mlflow run`, it is the command's time without
its process. Calls are counted by a proxy that the project's process does not use.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path

from overhead import counting_proxy, server

MLPROJECT = """
name: noted
entry_points:
  main:
    parameters:
      x: {type: float, default: 1.0}
    command: "date +%s.%N >> times; python train.py {x}; date +%s.%N >> times"
"""
TRAIN = """
import os, sys
import mlflow

if direct := os.environ.get("DIRECT_URI"):
    mlflow.set_tracking_uri(direct)
mlflow.log_metric("loss", float(sys.argv[1]))
"""
SECONDS, CALLS = 0.3, 12  # the goals


def noted_project(folder: Path) -> Path:
    """A project that notes its processes' times."""
    place = folder / "noted"
    place.mkdir()
    (place / "MLproject").write_text(MLPROJECT)
    (place / "train.py").write_text(TRAIN)
    return place


def run(project: Path, uri: str, *options: str, **more: str) -> float:
    """`mlflow run`; its seconds."""
    command = [sys.executable, "-m", "mlflow", "run", str(project), "--env-manager", "local", *options]
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri} | more
    started = time.perf_counter()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(command, check=True, cwd=project.parent, env=environment, **quiet)  # type: ignore[call-overload]
    return time.perf_counter() - started


def study_options(trials: int) -> tuple[str, ...]:
    """Of `mlflow run`, for a study."""
    space = {"x": {"type": "float", "low": 0.0, "high": 1.0}}
    config = {"space": space, "metric": "loss", "max_trials": trials, "workers": 1, "algorithm": "random"}
    return "--backend", "hpo", "--backend-config", json.dumps(config)


def spans(project: Path) -> list[tuple[float, float]]:
    """When each process began and ended, since the last time that this was asked."""
    file = project / "times"
    times = [float(line) for line in file.read_text().split()]
    file.unlink()
    return list(zip(times[::2], times[1::2], strict=True))


def seconds_part(trials: int, repeats: int) -> None:
    """The time between processes."""
    with tempfile.TemporaryDirectory() as name:
        project, uri = noted_project(Path(name)), f"sqlite:///{name}/mlflow.db"
        run(project, uri)  # makes the store
        spans(project)
        walls = [run(project, uri) for _ in range(repeats)]
        plain = [wall - (end - begin) for wall, (begin, end) in zip(walls, spans(project), strict=True)]
        run(project, uri, *study_options(trials))
        known = spans(project)
    between = [begin - end for (_, end), (begin, _) in pairwise(known)]
    process = statistics.median(end - begin for begin, end in known)
    print(f"its own process: {process:.2f} s; beyond it:")
    print(f"mlflow run: median {statistics.median(plain):.2f} s of {repeats}, most {max(plain):.2f} s")
    print(
        f"a trial: median {statistics.median(between):.3f} s of {len(between)}, most {max(between):.3f} s "
        f"(goal: at most {SECONDS})"
    )


def calls_part(trials: int) -> None:
    """Requests to a tracking server, those of the project's process aside."""
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name)) as port,
        counting_proxy(port) as (uri, seen),
    ):
        project, direct = noted_project(Path(name)), f"http://127.0.0.1:{port}"
        run(project, uri, DIRECT_URI=direct)
        plain = len(seen)
        seen.clear()
        run(project, uri, *study_options(trials), DIRECT_URI=direct)
        starts = [i for i, path in enumerate(seen) if path.endswith("runs/create")][1:]
        each = [seen[a:b] for a, b in pairwise(starts)]
    counts = [len([path for path in calls if "/mlflow-artifacts/" not in path]) for calls in each]
    print(f"mlflow run: {plain} calls")
    print(f"a trial: median {statistics.median(counts):g} calls, most {max(counts)} (goal: at most {CALLS})")
    for path in each[-1]:
        print(f"  {path.partition('?')[0]}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    chosen = parser.parse_args()
    seconds_part(chosen.trials, chosen.repeats)
    calls_part(chosen.trials)


if __name__ == "__main__":
    main()
