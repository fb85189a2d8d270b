"""Warm worker processes on this machine."""

import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future
from contextlib import contextmanager, suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool
from typing_extensions import override

from mlflow_hpo.execution.deferred import DeferredFuture
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.execution.spawn import CLEAN_EXIT, WorkerContext

RECENT = 16  # units whose traces a worker may still hold
GROWTH_BYTES = 1 << 30  # a worker that holds this much more than after its first unit is replaced
TICK_SECONDS = 0.1


class LocalExecutor(Executor):
    """Runs units in warm worker processes, each of which can be replaced alone.

    A unit goes to the worker with the fewest units; with as many units as workers, each has one.
    """

    def __init__(
        self,
        workers: int,
        initializer: Callable[..., None] | None = None,
        initargs: tuple[Any, ...] = (),
        growth_bytes: int = GROWTH_BYTES,
        loaded: Preload | None = None,
    ) -> None:
        """Sets up; each worker starts with its first unit, or at `start`, and calls the initializer once.

        Args:
            loaded: what is loaded in the process that workers are forked from; where processes cannot be
                forked, workers load what they need by themselves.
        """
        self.workers = workers
        self._template = _template(loaded or Preload())
        new_pool = partial(ProcessPool, 1, initializer=initializer, initargs=initargs)
        self._new_slot = partial(_Slot, new_pool, growth_bytes=growth_bytes)
        self._slots = self._new_slots()

    def start(self) -> "LocalExecutor":
        """Begins to start all workers, so that they are warm when the first units come; does not wait."""
        for slot in self._slots:
            slot.start()
        return self

    @override
    def submit(
        self, fn: Callable[..., Any], *args: Any, timeout_s: float | None = None, near: str | None = None
    ) -> Future[Any]:
        slot = min(self._slots, key=lambda slot: (len(slot.units), near not in slot.recent))
        unit = DeferredFuture(lambda pool: pool.schedule(fn, args=args, timeout=timeout_s), near)
        slot.submit(unit)
        return unit

    @override
    def shutdown(self) -> None:
        slots, self._slots = self._slots, self._new_slots()
        for slot in slots:
            slot.end()
        for slot in slots:
            slot.join()
        if self._template is not None:
            self._template.stop()

    def _new_slots(self) -> "list[_Slot]":
        return [self._new_slot(_context(self._template)) for _ in range(self.workers)]

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *failure: object) -> None:
        self.shutdown()


class _Slot:
    """Runs units one after the other in a worker process, and replaces the process when it must.

    A thread serves it, because starting a worker may take seconds.

    Attributes:
        units: those that have no answer yet.
        recent: what the last units of this worker were near.
    """

    def __init__(self, new_pool: Callable[..., ProcessPool], context: Any, growth_bytes: int) -> None:
        self.units: set[DeferredFuture] = set()
        self.recent: deque[str | None] = deque(maxlen=RECENT)
        self._new_pool, self._context, self._growth_bytes = new_pool, context, growth_bytes
        self._queue: SimpleQueue[DeferredFuture | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pool: ProcessPool | None = None
        self._is_starting = self._has_grown = False
        self._first = (0, 0)  # the process, and the bytes that it held after its first unit

    def start(self) -> None:
        """Starts to serve, which begins with a worker."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True, name="worker-slot")
            self._thread.start()

    def submit(self, unit: DeferredFuture) -> None:
        self.start()
        self.units.add(unit)
        self._queue.put(unit)

    def end(self) -> None:
        """Cancels all units and ends the worker; `join` waits for that."""
        for unit in list(self.units):
            unit.cancel()
        self._queue.put(None)

    def join(self) -> None:
        """Waits until the worker is gone; one that is being started will end by itself."""
        while self._thread and self._thread.is_alive() and not self._is_starting:
            self._thread.join(TICK_SECONDS)

    def _serve(self) -> None:
        with suppress(WorkerLost):  # the first unit meets it again, and tells of it
            self._working_pool()
        while (unit := self._queue.get()) is not None:
            result, error = None, None
            try:
                result = self._run(unit)
            except BaseException as raised:
                error = raised
            self.units.discard(unit)
            unit.end(result, error)
        self._end_pool()

    def _run(self, unit: DeferredFuture) -> Any:
        """Returns the unit's result, or None as soon as it is cancelled and its worker gone."""
        work = None if unit.cancelled() else unit.begin(self._working_pool())
        if work is None:
            return None
        self.recent.append(unit.near)
        is_over = threading.Event()
        for future in (unit, work):
            future.add_done_callback(lambda _: is_over.set())
        is_over.wait()
        if not work.done():
            self._end_pool()
            return None
        error = work.exception()
        if isinstance(error, ProcessExpired | BrokenExecutor):
            raise self._lost(error) from None
        if not isinstance(error, TimeoutError):  # after which another process is there
            self._has_grown = self._grows()
        return work.result()

    def _working_pool(self) -> ProcessPool:
        """Returns the pool. Starts a new one if its worker died or has grown too large.

        Raises:
            WorkerLost: the new worker died while it started.
        """
        if self._pool is None or not self._pool.active or self._context.has_ended or self._has_grown:
            self._end_pool()
            self.recent.clear()
            self._has_grown, self._is_starting = False, True
            try:
                self._pool = self._started_pool()
            finally:
                self._is_starting = False
        return self._pool

    def _started_pool(self) -> ProcessPool:
        pool = self._new_pool(context=self._context)
        with _no_interrupts():
            try:
                _ = pool.active  # asking starts the worker
            except BrokenExecutor as error:
                raise WorkerLost(reason=str(error.__cause__)) from error
        return pool

    def _end_pool(self) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
            pool.join()

    def _lost(self, error: ProcessExpired | BrokenExecutor) -> WorkerLost:
        """Says how the worker died; a pool is broken by one that died before it took the unit."""
        status = error.exitcode if isinstance(error, ProcessExpired) else self._context.process.exitcode
        if status is None:
            return WorkerLost(reason=str(error))
        if status == CLEAN_EXIT:
            return WorkerLost(exit_status=0)
        return WorkerLost(signal=-status) if status < 0 else WorkerLost(exit_status=status)

    def _grows(self) -> bool:
        """Tells whether the worker holds much more memory than after its first unit."""
        with suppress(psutil.Error):
            pid = self._context.process.pid
            held = psutil.Process(pid).memory_info().rss
            if self._first[0] != pid:
                self._first = (pid, held)
            return bool(held - self._first[1] > self._growth_bytes)
        return False


def _template(loaded: Preload) -> Any:
    """Returns the process to fork workers from; None where processes cannot be forked."""
    if sys.platform != "linux":
        return None
    from mlflow_hpo.execution.forkserver import Template, is_possible

    return Template(loaded) if is_possible() else None


def _context(template: Any) -> Any:
    """Returns what starts the workers of a slot."""
    if template is None:
        return WorkerContext()
    from mlflow_hpo.execution.forkserver import TemplateContext

    return TemplateContext(template)


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """Keeps Ctrl-C from what is started here, even while it boots: that is the driver's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
