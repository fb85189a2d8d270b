"""A future of work that may still have to wait for its worker."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from typing_extensions import override


class DeferredFuture(Future[Any]):
    """The future of work that may still have to wait for its worker.

    Cancelling it ends the worker that runs it; `concurrent.futures.wait` returns when that worker is gone.
    """

    def __init__(self, begin: Callable[[Any], Future[Any]], near: str | None) -> None:
        super().__init__()
        self.near = near
        self._begin, self._begun = begin, threading.RLock()
        self._work: Future[Any] | None = None

    @override
    def running(self) -> bool:
        """Tells whether a worker was sent it; that is acknowledged only after it has begun."""
        with self._begun:
            return self._work is not None and not self._work.done()

    @override
    def cancel(self) -> bool:
        with self._begun:
            before, cancelled = self.cancelled(), super().cancel()
            if cancelled and not before and self._work is None:
                self.set_running_or_notify_cancel()  # no worker has it: there is nothing to wait for
        return cancelled

    def begin(self, worker: Any) -> Future[Any] | None:
        """Hands the work to the worker; returns None if it was cancelled."""
        with self._begun:
            if not self.cancelled():
                self._work = self._begin(worker)
            return self._work

    def end(self, result: Any, error: BaseException | None) -> None:
        """Gives the answer to those who wait; if it was cancelled, its worker is gone by now."""
        with self._begun:
            if self.cancelled():
                if self._work is not None:
                    self.set_running_or_notify_cancel()
            elif error is not None:
                self.set_exception(error)
            else:
                self.set_result(result)
