"""Warm worker processes on this machine."""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Future
from contextlib import ExitStack, suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool
from typing_extensions import override

from mlflow_hpo.execution.deferred import DeferredFuture
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.execution.preload import ORDER, Preload
from mlflow_hpo.execution.spawn import CLEAN_EXIT, SpawnedContext, WorkerContext

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
        variables: Sequence[Mapping[str, str]] = (),
    ) -> None:
        """Sets up; each worker starts with its first unit, or at `start`, and calls the initializer once.

        Args:
            variables: of the environment, each worker's own, as `devices.environments` gives them.
            loaded: what the process loads that workers are forked from, if this is the first executor of
                this process. Workers load what it has not, and all of it where they cannot be forked.
        """
        self.workers = workers
        new_worker = partial(_Worker, initializer=initializer, initargs=initargs)
        starters = [
            partial(_starter, _environment() | own, loaded or Preload())
            for own in [*map(dict, variables)] or [{}] * workers
        ]
        self._new_slot = [partial(_Slot, partial(new_worker, starter), growth_bytes) for starter in starters]
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
        unit = DeferredFuture(lambda worker: worker.schedule(fn, args, timeout_s), near)
        slot.submit(unit)
        return unit

    @override
    def shutdown(self) -> None:
        slots, self._slots = self._slots, self._new_slots()
        with ExitStack() as stack:
            for slot in slots:
                stack.callback(slot.join)
            for slot in slots:
                stack.callback(slot.end)  # all of them before the first is waited for

    def _new_slots(self) -> "list[_Slot]":
        return [new() for new in self._new_slot]

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *failure: object) -> None:
        self.shutdown()


class _Worker:
    """One worker process in a pool of its own, which replaces the process after a deadline."""

    def __init__(
        self,
        starter: Callable[[], WorkerContext],
        initializer: Callable[..., None] | None,
        initargs: tuple[Any, ...],
    ) -> None:
        """Starts the process.

        Raises:
            WorkerLost: that failed.
        """
        self._starter = starter()
        self._pool = ProcessPool(1, initializer=initializer, initargs=initargs, context=self._starter)
        try:
            _ = self._pool.active  # asking starts the process
        except BrokenExecutor as error:
            self.end()
            raise WorkerLost(reason=str(error.__cause__)) from error

    @property
    def is_working(self) -> bool:
        """Tells whether it can take a unit; pebble gives up a pool whose idle process died."""
        return self._pool.active and not self._starter.last.has_ended

    def schedule(self, fn: Any, args: tuple[Any, ...], timeout_s: float | None) -> Future[Any]:
        """Hands it a unit.

        Raises:
            WorkerLost: it has just died.
        """
        try:
            return self._pool.schedule(fn, args=args, timeout=timeout_s)
        except RuntimeError as error:
            raise WorkerLost(reason=str(error)) from error

    def end(self) -> None:
        """Ends the process and what it has started, and waits for that."""
        with ExitStack() as stack:
            stack.callback(self.end_leftovers)
            stack.callback(self._pool.join)
            self._pool.stop()

    def end_leftovers(self) -> None:
        """Ends what a process that has ended has left behind."""
        self._starter.end_leftovers()

    def memory(self) -> tuple[int | None, int]:
        """Returns the process and the bytes that it holds.

        Raises:
            psutil.Error: it has ended.
        """
        pid = self._starter.last.pid
        return pid, psutil.Process(pid).memory_info().rss

    def lost(self, error: ProcessExpired | BrokenExecutor) -> WorkerLost:
        """Says how the worker ended; a pool is broken by one that ended before it took the unit."""
        status = error.exitcode if isinstance(error, ProcessExpired) else self._starter.last.exitcode
        if status is None:
            return WorkerLost(reason=str(error))
        if status == CLEAN_EXIT:
            return WorkerLost(exit_status=0)
        return WorkerLost(signal=-status) if status < 0 else WorkerLost(exit_status=status)


class _Slot:
    """Runs units one after the other in a worker process, and replaces the process when it must.

    A thread serves it, because starting a worker may take seconds.

    Attributes:
        units: those that have no answer yet.
        recent: what the last units of this worker were near.
    """

    def __init__(self, new_worker: Callable[[], _Worker], growth_bytes: int) -> None:
        self.units: set[DeferredFuture] = set()
        self.recent: deque[str | None] = deque(maxlen=RECENT)
        self._new_worker, self._growth_bytes = new_worker, growth_bytes
        self._queue: SimpleQueue[DeferredFuture | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._worker: _Worker | None = None
        self._is_starting = self._has_grown = False
        self._first: tuple[int | None, int] = (None, 0)  # the process, and its memory after its first unit

    def start(self) -> None:
        """Starts to serve, which begins with a worker."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, daemon=True, name="worker-slot")
            self._thread.start()

    def submit(self, unit: DeferredFuture) -> None:
        """Puts a unit behind the others."""
        self.start()
        self.units.add(unit)
        self._queue.put(unit)

    def end(self) -> None:
        """Cancels all units and ends the worker; `join` waits for that."""
        for unit in list(self.units):
            unit.cancel()
        self._queue.put(None)

    def join(self) -> None:
        """Waits until the worker is gone. One that is still being started ends as soon as it runs."""
        while self._thread and self._thread.is_alive() and not self._is_starting:
            self._thread.join(TICK_SECONDS)

    def _serve(self) -> None:
        with suppress(Exception):  # the first unit meets it again, and tells of it
            self._working()
        while (unit := self._queue.get()) is not None:
            result, error = None, None
            try:
                result = self._run(unit)
            except BaseException as raised:
                error = raised
            self.units.discard(unit)
            unit.end(result, error)
        with suppress(Exception):  # nobody waits for what goes wrong now
            self._end_worker()

    def _run(self, unit: DeferredFuture) -> Any:
        """Returns the unit's result; None if it was cancelled, as soon as the worker is gone."""
        worker = None if unit.cancelled() else self._working()
        work = worker and unit.begin(worker)
        if not worker or not work:
            return None
        self.recent.append(unit.near)
        is_over = threading.Event()
        for future in (unit, work):
            future.add_done_callback(lambda _: is_over.set())
        is_over.wait()
        if not work.done():
            self._end_worker()
            return None
        error = work.exception()
        if isinstance(error, TimeoutError | ProcessExpired | BrokenExecutor):
            worker.end_leftovers()
        if isinstance(error, ProcessExpired | BrokenExecutor):
            raise worker.lost(error) from None
        if not isinstance(error, TimeoutError):  # after which another process is there
            self._has_grown = self._grows(worker)
        return work.result()

    def _working(self) -> _Worker:
        """Returns the worker. Starts a new one if it died or has grown too large.

        Raises:
            WorkerLost: the new worker could not be started.
        """
        if self._worker is None or not self._worker.is_working or self._has_grown:
            self._end_worker()
            self.recent.clear()
            self._has_grown, self._is_starting = False, True
            try:
                self._worker = self._new_worker()
            finally:
                self._is_starting = False
        return self._worker

    def _end_worker(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            worker.end()

    def _grows(self, worker: _Worker) -> bool:
        """Tells whether the worker holds much more memory than after its first unit."""
        with suppress(psutil.Error):
            pid, held = worker.memory()
            if self._first[0] != pid:
                self._first = (pid, held)
            return held - self._first[1] > self._growth_bytes
        return False


def _environment() -> dict[str, str]:
    """Returns this process's variables; a thread that starts a worker may find them changed for a moment."""
    return {name: value for name, value in os.environ.items() if name != ORDER}


def _starter(environment: dict[str, str], loaded: Preload) -> WorkerContext:
    """Returns what starts a worker: forked where that is possible."""
    if sys.platform == "linux":
        from mlflow_hpo.execution.forkserver import ForkedContext, is_possible

        if is_possible():
            return ForkedContext(environment, loaded)
    return SpawnedContext(environment)
