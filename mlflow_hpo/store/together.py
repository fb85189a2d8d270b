"""Writes to several runs at a time, so that a driver waits for the store once for all of them."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")

WRITERS = 8  # calls that a store is sent at a time
ALONE = "sqlite:"  # begins the address of a store that takes one write after the other


def together(uri: str, writes: Sequence[Callable[[], Answer]]) -> list[Future[Answer]]:
    """Calls functions that each write to a run of its own; returns their futures, which are done."""
    if len(writes) < 2 or uri.startswith(ALONE):
        return [_called(write) for write in writes]
    with ThreadPoolExecutor(min(WRITERS, len(writes))) as pool:
        return [pool.submit(write) for write in writes]


def _called(write: Callable[[], Answer]) -> Future[Answer]:
    future = Future[Answer]()
    try:
        future.set_result(write())
    except Exception as error:
        future.set_exception(error)
    return future
