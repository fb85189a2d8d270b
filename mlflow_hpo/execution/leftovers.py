"""Ends what the code of trials has started and left behind, found by a mark that processes inherit.

Run as a script it is the guard of a driver: it waits for the driver's end, however that comes, and then ends
every process that has the driver's mark in its environment.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from uuid import uuid4

import psutil

MARKS = "MLFLOW_HPO_MARKS"  # the environment variable: a driver's marks and a worker's
SCRIPT = "MLFLOW_HPO_SCRIPT"  # the guard is not to end with all processes that are called mlflow_hpo
BLANK = 32 * "0"  # in place of a mark that is still to come
GUARD = f"import os, runpy; runpy.run_path(os.environ.pop('{SCRIPT}'), run_name='__main__')"
GRACE_SECONDS = 1.5  # between SIGTERM and SIGKILL
TICK_SECONDS = 0.05
MOST_ROUNDS = 10  # of SIGKILL: what is being ended may still start others
SUBREAPER = 36  # of Linux's prctl
ENVIRONMENT = slice(47, 49)  # of the fields in /proc/self/stat after the name: where the variables lie


def new_mark() -> str:
    """Returns a mark that nothing has."""
    return uuid4().hex


def with_mark(mark: str) -> str:
    """Returns the variable's value for processes that are to have a mark beside those of this process."""
    return f"{os.environ.get(MARKS, '')} {mark}".strip()


@contextmanager
def marked() -> Iterator[None]:
    """Gives what this process starts its mark for a while, and sees to it that all of that ends with it.

    Several threads may do so at a time: the last one takes the mark back.
    """
    with _marking:
        _before.append(os.environ.get(MARKS))
        if len(_before) == 1:
            os.environ[MARKS] = with_mark(_guard(os.getpid()))
    try:
        yield
    finally:
        with _marking:
            before = _before.pop()
            if not _before:
                os.environ.pop(MARKS, None)  # what ran here may have taken it away
                os.environ.update({} if before is None else {MARKS: before})


@cache
def _guard(pid: int) -> str:
    """Starts the guard of this process, and of no process that is forked from it; returns its mark."""
    mark, nowhere = new_mark(), subprocess.DEVNULL
    environment = {name: value for name, value in os.environ.items() if name != MARKS}
    process = subprocess.Popen(
        [sys.executable, "-c", GUARD, mark],
        env=environment | {SCRIPT: __file__},
        cwd=os.sep,
        stdin=subprocess.PIPE,
        stdout=nowhere,
        stderr=nowhere,
        start_new_session=True,
    )
    process.returncode = 0  # it outlives this process, and is not to be complained of then
    _guards.append(process)
    return mark


_marking = threading.Lock()
_before: list[str | None] = []  # one for each thread that marks; the first: what the variable was
_guards: list[subprocess.Popen[bytes]] = []  # their standard input is closed when this process ends


def adopt_orphans() -> None:
    """Makes the descendants of this process stay so when those between have ended; on Linux."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)


def fill_blank(mark: str) -> None:
    """Writes a mark over the blank one among the variables that this process was started with; on Linux.

    Others see these, and what this process forks inherits them; what it sets itself later nobody sees.
    """
    with suppress(OSError, ValueError):
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        first, last = map(int, fields[ENVIRONMENT])
        place = ctypes.string_at(first, last - first).find(BLANK.encode()) if first else -1
        if place >= 0:
            ctypes.memmove(first + place, mark.encode(), len(BLANK))


def descendants(pid: int | None) -> list[psutil.Process]:
    """Returns the processes below one; none if it has ended."""
    with suppress(psutil.Error):
        if pid is not None:
            return psutil.Process(pid).children(recursive=True)
    return []


def end(mark: str, known: Iterable[psutil.Process] = ()) -> None:
    """Ends all processes that have a mark, and those known: by SIGTERM and, a little later, SIGKILL."""
    found = {*known, *_having(mark)}
    _each(found, psutil.Process.terminate)
    deadline = monotonic() + GRACE_SECONDS
    while found and monotonic() < deadline:
        sleep(TICK_SECONDS)
        found = {process for process in found if _runs(process)}
    for _ in range(MOST_ROUNDS):
        found |= set(_having(mark))
        if not found:
            return
        _each(found, psutil.Process.kill)
        sleep(TICK_SECONDS)
        found = {process for process in found if _runs(process)}


def _runs(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def _having(mark: str) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if mark in process.environ().get(MARKS, "") and process.pid != os.getpid():
                yield process


def _each(processes: Iterable[psutil.Process], do: Callable[[psutil.Process], None]) -> None:
    for process in processes:
        with suppress(psutil.Error, OSError):
            do(process)


if __name__ == "__main__":
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    sys.stdin.buffer.read()
    end(sys.argv[1])
