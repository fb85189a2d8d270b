"""Worker processes that do not run the driver's script again.

`multiprocessing` has each spawned process import the main script, so that a script without a `__main__` guard
starts itself over and over. Workers need nothing from it: what a user gives from there is sent by value.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any

CLEAN_EXIT = 256  # stands for an exit status of 0
_lock = threading.Lock()


@contextmanager
def _hidden_main() -> Iterator[None]:
    """For the moment of a start, the main module has no file that could be imported."""
    with _lock:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


class Noted(BaseContext):
    """A context that knows the last process it has made.

    Attributes:
        process: that process; None before the first.
    """

    process: "Lost | None" = None

    @property
    def has_ended(self) -> bool:
        """Tells whether the last process ended, without asking for its exit status."""
        with suppress(ValueError):  # it has not started yet
            return self.process is not None and bool(wait([self.process.sentinel], 0))
        return False


class Lost(BaseProcess):
    """A worker process: it is to run until it is ended, so that its own end is a loss whatever the status."""

    @property
    def exitcode(self) -> int | None:
        """Gives its exit status, but never the 0 that pebble takes for an end that somebody asked for."""
        status = super().exitcode
        return CLEAN_EXIT if status == 0 else status


class WorkerProcess(Lost, SpawnProcess):
    """A process that begins with nothing but this package."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's name)
        with _hidden_main():
            return SpawnProcess._Popen(process_obj)


class WorkerContext(Noted, SpawnContext):
    """What starts worker processes, each on its own; where processes can be forked, see `template`."""

    def Process(self, **how: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """A process that is still to be started."""
        self.process = WorkerProcess(**how)
        return self.process
