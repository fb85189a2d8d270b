"""Worker processes that are forked from one process which has loaded the libraries: Linux only.

That process is Python's own fork server. It starts with the first worker, loads what that worker's study
needs, serves all studies of this process, and ends when this process and all workers are gone. Workers import
what it has not loaded. If it dies its workers end, and the next start makes another.
"""

import os
import sys
import tempfile
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.process import current_process
from typing import Any

from typing_extensions import override

from mlflow_hpo.execution import preload
from mlflow_hpo.execution.folders import process_folder
from mlflow_hpo.execution.spawn import WorkerContext, WorkerProcess, starting

LONGEST = 75  # characters of the temporary folder's name; a socket in it may have 107 in all
LONGEST_ADDRESS = 107
LISTENER = 18  # characters of the socket's name


def is_possible() -> bool:
    """Tells whether the server can be told where modules lie, and its socket's name is not too long."""
    return all(isinstance(entry, str) for entry in sys.path) and len(tempfile.gettempdir()) < LONGEST


class ForkedProcess(WorkerProcess, ForkServerProcess):
    """A worker process that begins with what the server has loaded."""

    order = ""

    @override
    def start(self) -> None:
        with starting:
            _use_process_folder()
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


def _use_process_folder() -> None:
    """Makes `multiprocessing` lay its socket where it is removed even after this process was killed."""
    folder = process_folder()
    if len(folder) + LISTENER < LONGEST_ADDRESS:
        vars(current_process())["_config"].setdefault("tempdir", folder)


class ForkedContext(WorkerContext, ForkServerContext):
    """Starts worker processes by the fork server."""

    def __init__(self, environment: Mapping[str, str], loaded: preload.Preload) -> None:
        self.environment = environment
        self.set_forkserver_preload([preload.__name__])
        self._order = loaded.order()

    def Process(self, **how: Any) -> WorkerProcess:  # type: ignore[override]  # noqa: N802
        """Makes a process that is still to be started."""
        process = ForkedProcess(**how)
        process.order = self._order
        return self.made(process)
