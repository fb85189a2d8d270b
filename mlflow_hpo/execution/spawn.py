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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

from typing_extensions import override

from mlflow_hpo.execution.preload import ORDER, set_environment

CLEAN_EXIT = 256  # stands for an exit status of 0
starting = threading.RLock()  # held by the thread that starts a worker


class WorkerProcess(BaseProcess):
    """A process that runs until it is ended or its driver is gone."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._environment = {name: value for name, value in os.environ.items() if name != ORDER}

    @override
    def start(self) -> None:
        with starting, _interrupts_blocked(), _hidden_main():
            super().start()

    @property
    @override
    def exitcode(self) -> int | None:
        """Returns its exit status, but never the 0 that pebble takes for an end that somebody asked for."""
        status = super().exitcode
        return CLEAN_EXIT if status == 0 else status

    @override
    def run(self) -> None:
        """Does its work, in the new process, with the environment that the driver had at its start."""
        set_environment(self._environment)
        multiprocessing.set_start_method("spawn", force=True)  # for processes of the user's code
        _end_with_driver()
        super().run()


class WorkerContext(BaseContext):
    """Starts worker processes one after the other.

    Attributes:
        last: the last of them, from when it was made.
    """

    last: WorkerProcess

    @property
    def has_ended(self) -> bool:
        """Tells whether the last process ended. Does not read its status, which pebble does in a thread."""
        with suppress(ValueError):  # it has not started yet
            return bool(wait([self.last.sentinel], 0))
        return False


class SpawnedProcess(WorkerProcess, SpawnProcess):
    """A worker process that begins with nothing but this package."""


class SpawnedContext(WorkerContext, SpawnContext):
    """Starts worker processes each on its own."""

    def Process(self, **how: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """Makes a process that is still to be started."""
        self.last = SpawnedProcess(**how)
        return self.last


def watch_parent(then: Callable[[], None]) -> None:
    """Calls `then` when the process that started this one is gone."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        then()

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


def _end_with_driver() -> None:
    """Ends this worker when the driver is gone, or the process that it was forked from."""
    driver = multiprocessing.parent_process()
    assert driver is not None
    watch_parent(lambda: os._exit(1))

    def watch() -> None:
        driver.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="watch-driver").start()


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
