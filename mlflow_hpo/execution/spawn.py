"""Worker processes that do not run the driver's script, and that end with their driver.

`multiprocessing` has each process import the main script, so that a script without a `__main__` guard starts
itself over and over. Workers need nothing from it: what a user gives from there is sent by value.
"""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

import psutil
from typing_extensions import override

from mlflow_hpo.execution.leftovers import (
    BLANK,
    MARKS,
    adopt_orphans,
    descendants,
    end,
    fill_blank,
    marked,
    new_mark,
    with_mark,
)
from mlflow_hpo.execution.preload import set_environment

CLEAN_EXIT = 256  # stands for an exit status of 0
starting = threading.RLock()  # held by the thread that starts a worker


class WorkerProcess(BaseProcess):
    """A process that runs until it is ended or its driver is gone.

    Attributes:
        environment: the variables it works with.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._mark, self._below = new_mark(), list[psutil.Process]()
        self.environment: Mapping[str, str] = {}

    @override
    def start(self) -> None:
        with starting, marked(), _interrupts_blocked(), _hidden_main():
            self.environment = {**self.environment, MARKS: with_mark(self._mark)}
            os.environ[MARKS] = with_mark(BLANK)
            super().start()

    @override
    def terminate(self) -> None:
        self._below = descendants(self.pid)  # what is not marked cannot be found when it has ended
        super().terminate()

    @property
    def has_ended(self) -> bool:
        """Tells whether it ended. Does not read its status, which pebble does in a thread.

        Once that was read, the sentinel may tell nothing for a moment.
        """
        started = vars(self)["_popen"]
        return started is not None and (started.returncode is not None or bool(wait([started.sentinel], 0)))

    def end_leftovers(self) -> None:
        """Ends what the code that ran in it has started, once it has ended."""
        end(self._mark, self._below)

    @property
    @override
    def exitcode(self) -> int | None:
        """Returns its exit status, but never the 0 that pebble takes for an end that somebody asked for."""
        status = super().exitcode
        return CLEAN_EXIT if status == 0 else status

    @override
    def run(self) -> None:
        """Does its work, in the new process, with the variables that the driver gave it."""
        set_environment(self.environment)
        fill_blank(self._mark)
        adopt_orphans()
        multiprocessing.set_start_method("spawn", force=True)  # for processes of the user's code
        _end_with_driver()
        self._end_with_channel()
        super().run()

    def _end_with_channel(self) -> None:
        """Ends this worker when its pipes to the driver were closed, or something else has their numbers."""
        ends = [
            vars(arg)[end] for arg in vars(self)["_args"] for end in ("reader", "writer") if end in vars(arg)
        ]
        numbers = [end.fileno() for end in ends]
        pipes = _files(numbers)
        _when(lambda: _files(numbers) != pipes, lambda: os._exit(1))


class WorkerContext(BaseContext):
    """Starts worker processes one after the other.

    Attributes:
        last: the last of them, from when it was made.
        environment: the variables they work with.
    """

    last: WorkerProcess
    environment: Mapping[str, str]
    _earlier: Sequence[WorkerProcess] = ()

    def made(self, process: WorkerProcess) -> WorkerProcess:
        """Notes a process that is still to be started, and returns it."""
        process.environment = self.environment
        self._earlier = [*self._earlier, process]
        self.last = process
        return process

    def end_leftovers(self) -> None:
        """Ends what the processes that have ended have left behind."""
        ended = [process for process in self._earlier if process.has_ended]
        self._earlier = [process for process in self._earlier if process not in ended]
        for process in ended:
            process.end_leftovers()


class SpawnedProcess(WorkerProcess, SpawnProcess):
    """A worker process that begins with nothing but this package."""


class SpawnedContext(WorkerContext, SpawnContext):
    """Starts worker processes each on its own."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def Process(self, **how: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """Makes a process that is still to be started."""
        return self.made(SpawnedProcess(**how))


def watch_parent(then: Callable[[], None]) -> None:
    """Calls `then` when the process that started this one is gone."""
    parent = os.getppid()
    _when(lambda: os.getppid() != parent, then)


def _when(is_so: Callable[[], bool], then: Callable[[], None]) -> None:
    """Calls `then`, in a thread, when something is so."""

    def watch() -> None:
        while not is_so():
            time.sleep(0.5)
        then()

    threading.Thread(target=watch, daemon=True, name="watch").start()


def _end_with_driver() -> None:
    """Ends this worker when the driver is gone, or the process that it was forked from."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    watch_parent(lambda: os._exit(1))

    def watch() -> None:
        driver.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-driver").start()


def _files(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Returns what identifies open files, as far as they are open."""
    found = []
    for number in numbers:
        with suppress(OSError):
            known = os.fstat(number)
            found.append((known.st_dev, known.st_ino))
    return found


@contextmanager
def _hidden_main() -> Iterator[None]:
    """Takes from the main module, for the moment of a start, what tells where it could be imported from."""
    main = sys.modules["__main__"]
    hidden = ModuleType("__main__")
    vars(hidden).update({n: value for n, value in vars(main).items() if n not in ("__file__", "__spec__")})
    sys.modules["__main__"] = hidden
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Keeps Ctrl-C from what is started here, even while it boots: that is the driver's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
