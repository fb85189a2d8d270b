"""Ends commands by SIGINT and SIGTERM: at once, or soon where that could leave a run that nobody knows of."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, wait
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from mlflow_hpo.errors import HpoError, Interrupted, Stopped

CAUGHT = (signal.SIGINT, signal.SIGTERM)
ENDS_AT_ONCE = 5  # the number of signals that do; `mlflow run` passes each Ctrl-C on as two
TICK_SECONDS = 0.2
WAITS_FOR_STORE = ("urllib3/util/retry.py", "store/patience.py")  # between a request that failed and the next
_entered: "list[Signals]" = []


class Signals:
    """Notes SIGINT and SIGTERM while it is entered; `check` raises for them where that is safe.

    Attributes:
        command: goes on with what a signal cuts; empty if nothing does.
        raises: a signal raises Stopped as well, wherever this process is.
    """

    def __init__(self, command: str = "") -> None:
        self.command, self.raises = command, False
        self._noted: list[int] = []

    def __enter__(self) -> Self:
        from mlflow_hpo.store.connection import QUICK

        self._handlers, self._before = _handle(self._note), {name: os.environ.get(name) for name in QUICK}
        self._quick = QUICK
        _entered.append(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, *failure: object) -> None:
        _entered.remove(self)
        _restore(self._handlers)
        for name, value in self._before.items():
            os.environ.pop(name, None)
            os.environ.update({} if value is None else {name: value})
        if kind in (None, Stopped) or (issubclass(kind, HpoError) and not issubclass(kind, Interrupted)):
            self.check()  # what failed after a signal may have failed by it

    def __bool__(self) -> bool:
        return bool(self._noted)

    @property
    def reason(self) -> str:
        """Which signal was noted first, in words; empty if none was."""
        return str(Stopped(self._noted[0])) if self._noted else ""

    def check(self) -> None:
        """Raises Interrupted for the first signal that was noted."""
        if self._noted:
            raise Interrupted(self.reason, self.command, self._noted[0])

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._noted.append(number)
        if len(self._noted) >= ENDS_AT_ONCE:
            os._exit(128 + number)
        os.environ.update(self._quick)  # a store that does not answer now is not waited for
        if self.raises or (frame and frame.f_code.co_filename.endswith(WAITS_FOR_STORE)):
            raise Stopped(number)


def note(number: int) -> bool:
    """Notes a signal that this process gives to itself; tells whether it is one that notes signals."""
    for signals in _entered:
        signals._note(number, None)
    return bool(_entered)


def noted() -> bool:
    """Tells whether a signal was noted that is still to be raised."""
    return any(_entered)


def result_of(future: Future[Any]) -> Any:
    """Waits for a future's result.

    Raises:
        Interrupted: a signal was noted meanwhile, in this thread.
    """
    while not future.done():
        if threading.current_thread() is threading.main_thread():
            for signals in _entered:
                signals.check()
        wait([future], TICK_SECONDS)
    return future.result()


def ends_here(fn: Callable[..., Any], *args: Any) -> Any:
    """Calls a function that a signal ends, wherever it is, in the main thread.

    Raises:
        Stopped: a signal ended it.
    """
    for signals in _entered:
        signals.raises = True
    try:
        return fn(*args)
    finally:
        for signals in _entered:
            signals.raises = False


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Makes signals raise Stopped wherever this process is, unless it notes them."""

    def stop(number: int, frame: object) -> None:
        raise Stopped(number)

    handlers = _handle(stop)
    try:
        yield
    finally:
        _restore(handlers)


def _handle(handler: Callable[[int, Any], None]) -> dict[int, Any]:
    """Sets the handler of the signals; returns those before it."""
    if threading.current_thread() is not threading.main_thread():  # elsewhere Python takes none
        return {}
    return {number: signal.signal(number, handler) for number in CAUGHT}


def _restore(handlers: Mapping[int, Any]) -> None:
    for number, handler in handlers.items():
        if handler is not None:  # else it was none of Python's, and cannot be set again
            signal.signal(number, handler)
