"""A slot's process, for an engine whose own processes may not start workers; and the other end of its pipe.

Run as a script, it serves a slot until the pipe is closed, by whatever ended the process that started it.
"""

import os
import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from itertools import count
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from mlflow_hpo.execution.host import SlotServer

END_SECONDS = 10.0  # for a process whose pipe was closed


class SlotProcess:
    """A slot's process, as the process sees it that started it."""

    def __init__(self) -> None:
        """Starts it."""
        self._pipe, theirs = Pipe()
        self._numbers, self._lock = count(), threading.Lock()
        self._calls: dict[int, Future[Any]] = {}
        handle = theirs.fileno()
        command = [sys.executable, "-m", __name__, str(handle)]
        self._process = subprocess.Popen(command, pass_fds=[handle], stdin=subprocess.DEVNULL)
        theirs.close()
        threading.Thread(target=self._read, daemon=True, name="slot-answers").start()

    def call(self, method: str, *args: Any) -> Future[Any]:
        """Calls a method of its `SlotServer`; the future raises EOFError if the process ends."""
        number, future = next(self._numbers), Future[Any]()
        with self._lock:
            self._calls[number] = future
            try:
                self._pipe.send((number, method, args))
            except OSError:
                self._fail()
        return future

    def end(self) -> None:
        """Ends it and its worker; kills it if that takes long."""
        with suppress(OSError), socket.socket(fileno=os.dup(self._pipe.fileno())) as pipe:
            pipe.shutdown(socket.SHUT_RDWR)  # to close it would not end what waits to read from it
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _read(self) -> None:
        with suppress(EOFError, OSError):
            while True:
                number, result, error = self._pipe.recv()
                future = self._calls.pop(number)
                with suppress(InvalidStateError):  # nobody waits for it any more
                    future.set_result(result) if error is None else future.set_exception(error)
        with self._lock:
            self._fail()

    def _fail(self) -> None:
        calls, self._calls = self._calls, {}
        for future in calls.values():
            with suppress(InvalidStateError):
                future.set_exception(EOFError("the slot's process has ended"))


def serve(pipe: Connection) -> None:
    """Serves a slot until its pipe is closed."""
    server, lock = SlotServer(), threading.Lock()

    def answer(number: int, method: str, args: tuple[Any, ...]) -> None:
        result, error = None, None
        try:
            result = getattr(server, method)(*args)
        except Exception as raised:
            error = raised
        with lock, suppress(OSError):
            pipe.send((number, result, error))

    with suppress(EOFError, OSError):
        while True:
            threading.Thread(target=answer, args=pipe.recv(), daemon=True).start()
    server.close()


if __name__ == "__main__":
    serve(Connection(int(sys.argv[1])))
    os._exit(0)  # whatever threads still run
