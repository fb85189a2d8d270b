"""Worker processes that are forked from one process which has loaded the libraries: Linux only.

That process is Python's own fork server. It starts with the first worker, loads what that worker's study
needs, serves all studies of this process, and ends when this process and all workers are gone. Workers import
what it has not loaded. If it dies its workers end, and the next start makes another.
"""

import os
import sys
import tempfile
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any

from typing_extensions import override

from mlflow_hpo.execution import preload
from mlflow_hpo.execution.spawn import WorkerContext, WorkerProcess, starting

LONGEST = 75  # characters of the temporary folder's name; a socket in it may have 107 in all


def is_possible() -> bool:
    """Tells whether the server can be told where modules lie, and its socket's name is not too long."""
    return all(isinstance(entry, str) for entry in sys.path) and len(tempfile.gettempdir()) < LONGEST


class ForkedProcess(WorkerProcess, ForkServerProcess):
    """A worker process that begins with what the server has loaded."""

    order = ""

    @override
    def start(self) -> None:
        with starting:
            os.environ[preload.ORDER] = self.order
            try:
                super().start()
            except (EOFError, ConnectionError):
                raise EOFError("the process that loads the libraries died") from None
            finally:
                os.environ.pop(preload.ORDER, None)

    @override
    def run(self) -> None:
        sys.excepthook = sys.__excepthook__
        if numpy := sys.modules.get("numpy"):  # a fork copies the state of its random numbers
            numpy.random.seed()
        super().run()


class ForkedContext(WorkerContext, ForkServerContext):
    """Starts worker processes by the fork server."""

    def __init__(self, loaded: preload.Preload) -> None:
        self.set_forkserver_preload([preload.__name__])
        self._order = loaded.order()

    def Process(self, **how: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """Makes a process that is still to be started."""
        self.last = process = ForkedProcess(**how)
        process.order = self._order
        return process
