"""Workers that die, hang, are cut off or leave processes behind cost one attempt at a unit."""

import ctypes
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import mlflow
import psutil
from processes import until
from stores import copied, migrated

from attack.score import Score, run
from mlflow_hpo import tune
from mlflow_hpo.trial import State

SLEEPS = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
]
NOTICED_SECONDS = 30  # in all, of a machine that may be busy: a worker's start takes most of it


def exit_0() -> None:
    os._exit(0)


def exit_of_c() -> None:
    ctypes.CDLL(None).exit(0)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def segfault() -> None:
    ctypes.string_at(0)


def closed_pipe() -> None:
    """And the unit goes on for longer than anybody should wait."""
    os.closerange(3, 1024)
    time.sleep(600)


def reused_pipe() -> None:
    """What the worker would write to its driver goes to a file."""
    os.closerange(3, 1024)
    for _ in range(100):
        os.open(os.devnull, os.O_RDWR)
    time.sleep(600)


def memory() -> None:
    """The kernel's way: what is too much is refused, and the process does not survive it."""
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + (64 << 20),) * 2)
    try:
        _ = bytearray(1 << 30)
    except MemoryError:
        os.kill(os.getpid(), signal.SIGKILL)


def hang() -> None:
    time.sleep(600)


def hang_in_c() -> None:
    """It holds Python's lock: no thread of the worker runs any more."""
    ctypes.PyDLL(None).sleep(600)


DEATHS: list[Callable[[], None]] = [exit_0, exit_of_c, killed, segfault, closed_pipe, reused_pipe, memory]
HANGS: list[Callable[[], None]] = [hang, hang_in_c]


def child(note: Callable[[int], None]) -> None:
    note(subprocess.Popen(SLEEPS).pid)


def child_of_its_own_session(note: Callable[[int], None]) -> None:
    note(subprocess.Popen(SLEEPS, start_new_session=True).pid)


def stubborn_child(note: Callable[[int], None]) -> None:
    note(subprocess.Popen(STUBBORN, start_new_session=True).pid)


def daemon(note: Callable[[int], None]) -> None:
    """Forked twice, as daemons are, and with a new program."""
    if os.fork() == 0:
        os.setsid()
        note(subprocess.Popen(SLEEPS).pid)
        os._exit(0)


def forked(note: Callable[[int], None]) -> None:
    """It has no other program."""
    if os.fork() == 0:
        note(os.getpid())
        time.sleep(600)


def forked_daemon(note: Callable[[int], None]) -> None:
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.getpid())
            time.sleep(600)
        os._exit(0)


def pool(note: Callable[[int], None]) -> None:
    process = multiprocessing.Process(target=time.sleep, args=(600,))
    process.start()
    assert process.pid
    note(process.pid)


CHILDREN: list[Callable[[Callable[[int], None]], None]] = [
    child, child_of_its_own_session, stubborn_child, daemon, forked, forked_daemon, pool,
]  # fmt: skip


def objective(folder: Path, fault: Callable[[], None] | None, starts: Any) -> Any:
    """Two epochs; where x is 1, the first attempt starts a process and meets the fault in the second."""

    def note(pid: int) -> None:
        (folder / f"child-{pid}").touch()

    def train(trial: Any) -> None:
        for epoch in range(trial.start + 1, trial.epochs + 1):
            if trial.config["x"] == 1 and epoch == 2 and not (folder / "met").exists():
                (folder / "met").touch()
                if starts:
                    starts(note)
                    until(lambda: any(folder.glob("child-*")))
                if fault:
                    fault()
            trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch})

    return train


@contextmanager
def place(store: Path) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="faults-"))
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(copied(store, folder))
    try:
        yield folder
    finally:
        mlflow.set_tracking_uri(before)
        shutil.rmtree(folder, ignore_errors=True)


def attack(rounds: int, seed: int) -> Score:
    """Every fault in turn, each with a process that is left behind, drawn at random."""
    draw, score = random.Random(seed), Score("worker faults")
    faults = [*DEATHS, *HANGS, None]
    draw.shuffle(faults)
    with tempfile.TemporaryDirectory() as empty:
        store = migrated(Path(empty))
        for number in range(rounds):
            fault, starts = faults[number % len(faults)], draw.choice([*CHILDREN, None])
            names = [part.__name__ for part in (fault, starts) if part] or ["nothing"]
            with score.round(f"{number}: {' and '.join(names)}"), place(store) as folder:
                one_round(folder, fault, starts)
    return score


def one_round(folder: Path, fault: Callable[[], None] | None, starts: Any) -> None:
    hangs, began = fault in HANGS, time.monotonic()
    options: dict[str, Any] = {"algorithm": "grid", "workers": 2, "max_epochs": 2, "progress": False}
    if hangs:
        options["trial_timeout"] = 5
    study = tune(objective(folder, fault, starts), {"x": [0, 1, 2]}, **options)
    seconds = time.monotonic() - began
    states = [t.state for t in sorted(study.trials, key=lambda t: t.config["x"])]
    assert states == [State.FINISHED, State.FAILED if hangs else State.FINISHED, State.FINISHED], states
    assert seconds < NOTICED_SECONDS, f"it took {seconds:.0f} s"
    pids = [int(file.name.removeprefix("child-")) for file in folder.glob("child-*")]
    assert len(pids) == bool(starts), f"{len(pids)} processes were started"
    assert until(lambda: not any(runs(pid) for pid in pids), 3), "its process is left"


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


if __name__ == "__main__":
    run(attack, "faults", 100)
