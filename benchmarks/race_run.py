"""One run of `race.py`: a fresh process tree, its clock, its end."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import psutil
import race_data
import race_keras
import race_ours

OURS = {
    "ours": ("tpe", "asha"),
    "ours-none": ("tpe", "none"),
    "ours-gp": ("gp", "none"),
    "ours-gp-asha": ("gp", "asha"),
    "ours-anneal": ("anneal", "none"),
}
ONE_THREAD = {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}
PEERS: dict[str, dict[str, str]] = {  # what each is told about threads: two processes share two cores
    "kerastuner": {},
    "optuna": ONE_THREAD,
    "ray": ONE_THREAD,
}
SYSTEMS = [*OURS, *PEERS]
LOG = "log.txt"
POLL_SECONDS = 0.05
ERROR_LINES = 15


@dataclass(frozen=True)
class Race:
    """What all systems have in common."""

    task: str
    seed: int
    target: float
    max_epochs: int
    limit: float


def run(system: str, race: Race) -> dict[str, Any]:
    """Seconds to the target and to the end, whether it was reached, the best so far over time, an error."""
    with tempfile.TemporaryDirectory(prefix="race-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        command, environment = _command(system, folder, race)
        started = time.time()
        process = _start(folder, command, environment)
        try:
            ended = _wait(process, folder, started + race.limit)
        finally:
            _kill(process)
        return _outcome(system, folder, race, started, ended)


def _outcome(system: str, folder: Path, race: Race, started: float, ended: float | None) -> dict[str, Any]:
    """What a run has left in its folder; to end without the target is no better than to be killed."""
    ours = system in OURS
    curve = _curve(race_ours.losses(folder) if ours else race_keras.losses(folder), started)
    at = next((at for at, loss in curve if loss <= race.target), None)
    reached = ended is not None and at is not None
    early = not reached and time.time() < started + race.limit
    return {
        "seconds": at if reached else race.limit,
        "ended": ended - started if ended else race.limit,
        "reached": reached,
        "curve": curve,
        "error": _tail(folder) if early else "",
    }


def study(folder: Path, command: Sequence[str]) -> None:
    """Run a study of the project to its end."""
    process = _start(folder, command, {})
    try:
        if process.wait():
            sys.exit(_tail(folder))
    finally:
        _kill(process)


def _command(system: str, folder: Path, race: Race) -> tuple[list[str], dict[str, str]]:
    if system in OURS:
        how = OURS[system]
        return race_ours.race_command(folder, race.task, race.max_epochs, race.seed, race.target, *how), {}
    script = Path(__file__).with_name(f"race_{system}.py")
    arguments = (folder, race.seed, race.target, race.max_epochs)
    return [sys.executable, str(script), *map(str, arguments)], PEERS[system] | {race_data.TASK: race.task}


def _start(folder: Path, command: Sequence[str], environment: dict[str, str]) -> subprocess.Popen[bytes]:
    """In a process group of its own; all that it leaves behind is in the folder."""
    own = {"MLFLOW_TRACKING_URI": race_ours.uri(folder), "TMPDIR": str(folder), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with (folder / LOG).open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | own | environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _wait(process: subprocess.Popen[bytes], folder: Path, deadline: float) -> float | None:
    """When the target was reached: as the marker says, or when the process ended well; else None."""
    while time.time() < deadline:
        if (at := race_keras.marked(folder)) is not None:
            return at
        if process.poll() is not None:
            return None if process.returncode else time.time()
        time.sleep(POLL_SECONDS)
    return None


def _kill(process: subprocess.Popen[bytes]) -> None:
    """The whole tree: Ray's daemons have groups of their own."""
    tree = []
    with suppress(psutil.NoSuchProcess):
        tree = psutil.Process(process.pid).children(recursive=True)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    for child in tree:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    process.wait()
    psutil.wait_procs(tree, timeout=10)


def _curve(losses: Sequence[tuple[float, float]], started: float) -> list[tuple[float, float]]:
    """The best val_loss so far, wherever it got better."""
    bests = accumulate((loss for _, loss in losses), min)
    steps = [(round(at - started, 3), best) for (at, _), best in zip(losses, bests, strict=True)]
    return [step for i, step in enumerate(steps) if i == 0 or step[1] < steps[i - 1][1]]


def _tail(folder: Path) -> str:
    return "\n".join((folder / LOG).read_text(errors="replace").splitlines()[-ERROR_LINES:])
