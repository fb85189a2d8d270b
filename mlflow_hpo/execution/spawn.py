"""Worker processes that do not run the driver's script again.

`multiprocessing` has each spawned process import the main script, so that a script without a `__main__` guard
starts itself over and over. Workers need nothing from it: what a user gives from there is sent by value.
"""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any

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


class WorkerProcess(SpawnProcess):
    """A process that begins with nothing but this package."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's name)
        with _hidden_main():
            return SpawnProcess._Popen(process_obj)


class WorkerContext(SpawnContext):
    """What starts worker processes, each on its own; where processes can be forked, see `template`."""

    Process = WorkerProcess

    def refuse(self) -> None:
        """See `Template.refuse`: here no start takes long."""

    def stop(self) -> None:
        """See `Template.stop`: here nothing but the workers runs."""
