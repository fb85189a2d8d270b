"""Drivers as real processes: begun, waited for, and looked at through the store."""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from conftest import COMMAND_SECONDS, PROJECT, environment

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import LATEST, Connection, StudyRun, find_study
from mlflow_hpo.trial import State, Trial

LATE = "mlflow_hpo.store.late_status"


@contextmanager
def begun(command: list[str], uri: str, folder: Path = PROJECT) -> Iterator[subprocess.Popen[str]]:
    """A command under way, in a process group of its own; whatever is left of it is killed."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment(uri),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        for child in family(process.pid):
            child.kill()
        process.wait()
        for corrector in correctors(uri):  # it would make the store anew where that has been removed
            corrector.kill()


def family(pid: int) -> list[psutil.Process]:
    """A process and all below it."""
    try:
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def correctors(uri: str) -> list[psutil.Process]:
    """What sets the status of this store's runs after `mlflow run` has ended."""
    late = [p for p in psutil.process_iter(["cmdline", "environ"]) if LATE in (p.info["cmdline"] or [])]
    return [p for p in late if (p.info["environ"] or {}).get("MLFLOW_TRACKING_URI") == uri]


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.3)  # looking costs the driver time, too


def study_in(uri: str) -> StudyRun:
    return find_study(Connection(uri), LATEST)


def trials_in(uri: str) -> list[Trial]:
    try:
        return study_in(uri).trials.load()
    except (StudyError, KeyError):  # it has just begun
        return []


def running_after(uri: str, finished: int) -> Callable[[], bool]:
    """Whether some trials are finished and another one has logged its first epochs."""

    def look() -> bool:
        trials = trials_in(uri)
        running = [t for t in trials if t.state is State.RUNNING]
        client = Connection(uri).client
        begun = any("loss" in client.get_run(t.run_id).data.metrics for t in running)
        return sum(t.is_over for t in trials) >= finished and begun

    return look
