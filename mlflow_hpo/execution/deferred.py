"""A future of work that is handed on once its worker has started."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from typing import Any, TypeVar

Made = TypeVar("Made")


class DeferredFuture(Future[Any]):
    """Becomes what another future becomes, which may only be made later; cancelling it cancels that one."""

    def __init__(self, translate: Callable[[BaseException], BaseException]) -> None:
        super().__init__()
        self._inner: Future[Any] | None = None
        self._translate = translate

    def follow(self, ready: Future[Made], begin: Callable[[Made], Future[Any]]) -> None:
        """Once `ready` has its result, begin the work with it; where it has none, fail as it did."""
        ready.add_done_callback(lambda known: self._begin(lambda: begin(known.result())))

    def running(self) -> bool:
        """Whether the work runs."""
        return self._inner is not None and self._inner.running()

    def cancel(self) -> bool:
        """Cancel the work, even while it runs."""
        known = self.cancelled()
        cancelled = super().cancel()
        if cancelled and not known:
            self.set_running_or_notify_cancel()  # or whoever waits for it would wait on
        if self._inner is not None:
            self._inner.cancel()
        return cancelled

    def _begin(self, begin: Callable[[], Future[Any]]) -> None:
        if self.cancelled():
            return
        try:
            self._inner = begin()
        except Exception as error:
            self._become(self.set_exception, error)
            return
        self._inner.add_done_callback(self._end)
        if self.cancelled():  # meanwhile
            self._inner.cancel()

    def _end(self, inner: Future[Any]) -> None:
        if inner.cancelled():
            self.cancel()
        elif (error := inner.exception()) is not None:
            self._become(self.set_exception, self._translate(error))
        else:
            self._become(self.set_result, inner.result())

    def _become(self, how: Callable[[Any], None], what: Any) -> None:
        with suppress(InvalidStateError):  # it was cancelled
            how(what)


def in_background(work: Callable[[], Made]) -> "Future[Made]":
    """Do it in a thread of its own."""
    future: Future[Made] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name="start-worker").start()
    return future
