"""Workers forked from one process, the template, that has loaded the libraries: Linux only.

It is Python's own fork server, an instance for each executor, as studies in one process differ in what they
need. Where a template dies its workers end as well, and the next start makes another.
"""

import io
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, popen_forkserver, reduction, spawn, util
from multiprocessing.context import ForkServerContext, ForkServerProcess, set_spawning_popen
from typing import Any

from mlflow_hpo.execution import preload
from mlflow_hpo.execution.spawn import Lost, Noted

LONGEST = 75  # characters of the temporary folder's name; a socket in it may have 107 in all
_ordering = threading.Lock()  # an environment is one for all templates


def is_possible() -> bool:
    """Whether Python's fork server can be told where modules lie, and its socket's name is not too long."""
    return all(isinstance(entry, str) for entry in sys.path) and len(tempfile.gettempdir()) < LONGEST


class Template(forkserver.ForkServer):
    """The process that workers are forked from; it starts with the first of them.

    It ends when the driver does, however that goes: it reads from a pipe that only the driver holds open.
    """

    _lock: threading.Lock
    _forkserver_pid: int | None
    _forkserver_alive_fd: int | None
    _stop_unlocked: Callable[[], None]

    def __init__(self, loaded: preload.Preload) -> None:
        super().__init__()
        self.set_forkserver_preload([preload.__name__])
        self._loaded = loaded
        self._waiting, self._refuses = 0, False

    def ensure_running(self) -> None:
        """Start it where it does not run; this does not wait for what it loads."""
        if self._refuses:
            raise ConnectionError("the executor is being shut down")
        with _ordering, self._ordered():
            try:
                super().ensure_running()
            except ChildProcessError:  # it died, and another part of the program asked for its end
                self._forget()
                super().ensure_running()
        if self._refuses:  # meanwhile
            raise ConnectionError("the executor is being shut down")

    @contextmanager
    def waited_for(self) -> Iterator[None]:
        """While a worker is being started."""
        self._waiting += 1
        try:
            yield
        except (EOFError, ConnectionError):
            shut = "the executor is being shut down"
            raise EOFError(shut if self._refuses else "the process that loads the libraries died") from None
        finally:
            self._waiting -= 1

    def refuse(self) -> None:
        """Let no worker start until `stop`; one that is being started fails now."""
        self._refuses = True
        if self._waiting:
            self._kill()

    def stop(self) -> None:
        """End the process; it keeps nothing that could be lost."""
        with self._lock:
            self._kill()
            with suppress(ChildProcessError, FileNotFoundError):  # others asked for its end, or tidied up
                self._stop_unlocked()
            self._forkserver_pid = None
        self._refuses = False

    def _kill(self) -> None:
        if (pid := self._forkserver_pid) is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _forget(self) -> None:
        if self._forkserver_alive_fd is not None:
            os.close(self._forkserver_alive_fd)
        self._forkserver_address = self._forkserver_alive_fd = self._forkserver_pid = None

    @contextmanager
    def _ordered(self) -> Iterator[None]:
        os.environ[preload.ORDER] = self._loaded.order()
        try:
            yield
        finally:
            os.environ.pop(preload.ORDER, None)


class TemplateContext(Noted, ForkServerContext):
    """What starts worker processes."""

    def __init__(self, template: Template) -> None:
        self._template = template

    def Process(self, **how: Any) -> "ForkedProcess":  # type: ignore[override]  # noqa: N802
        """A process that is still to be started."""
        self.process = process = ForkedProcess(**how)
        process.template = self._template
        return process


class ForkedProcess(Lost, ForkServerProcess):
    """A process that begins with what its template has loaded."""

    _start_method = "spawn"  # what `multiprocessing` does in the worker, for the user's code
    template: Template | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "template"}

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's name)
        return _ForkedPopen(process_obj)

    def run(self) -> None:
        """In the new process; it lets go of the pipe that tells the template of the driver's end."""
        server: Any = forkserver._forkserver
        os.close(server._forkserver_alive_fd)
        server._forkserver_alive_fd = None
        if numpy := sys.modules.get("numpy"):  # a fork copies the state of its random numbers
            numpy.random.seed()
        super().run()


class _ForkedPopen(popen_forkserver.Popen):
    """As Python's own, but for the server that is asked; and the driver's script is not run again."""

    _fds: list[int]

    def _launch(self, process_obj: ForkedProcess) -> None:
        template = process_obj.template
        assert template is not None
        content = self._pickled(process_obj)
        with template.waited_for():
            self.sentinel, inlet = template.connect_to_new_process(self._fds)
            # The worker's sentinel of the driver, of which the other end is kept here.
            held = os.dup(inlet)
            self.finalizer = util.Finalize(self, _close, (held, self.sentinel))
            with os.fdopen(inlet, "wb") as pipe:
                pipe.write(content)
            self.pid = forkserver.read_signed(self.sentinel)

    def _pickled(self, process_obj: ForkedProcess) -> bytes:
        known = spawn.get_preparation_data(process_obj.name)
        preparation = {name: value for name, value in known.items() if not name.startswith("init_main")}
        content = io.BytesIO()
        set_spawning_popen(self)
        try:
            reduction.dump(preparation, content)
            reduction.dump(process_obj, content)
        finally:
            set_spawning_popen(None)
        return content.getvalue()


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
