"""Where units run: worker processes on this machine, behind the face of `concurrent.futures`."""

import os
import signal
import sys
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

import psutil
from pebble import ProcessExpired, ProcessPool

from mlflow_hpo.execution.deferred import DeferredFuture, in_background
from mlflow_hpo.execution.executor import WorkerLost
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.execution.spawn import WorkerContext

RECENT = 16  # units whose traces a worker may still hold
GROWTH_BYTES = 1 << 30  # a worker that holds this much more than after its first unit is replaced


class LocalExecutor:
    """Warm worker processes, each in a pool of its own so that one can be replaced alone.

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
        """Each worker starts with its first unit, or at `start`, and calls `initializer(*initargs)` once.

        Args:
            loaded: what the process loads that workers are forked from; elsewhere the initializer does.
        """
        self.workers = workers
        self._context = _context(loaded or Preload())
        self._slots = [_Slot(self._context, initializer, initargs, growth_bytes) for _ in range(workers)]

    def start(self) -> "LocalExecutor":
        """Begin to start all workers, so that they are warm when the first units come; does not wait."""
        for slot in self._slots:
            slot.start()
        return self

    @property
    def pids(self) -> list[int]:
        """The worker processes; 0 stands for one that has not started yet."""
        return [slot.pid for slot in self._slots]

    def submit(
        self, fn: Callable[..., Any], *args: Any, timeout_s: float | None = None, near: str | None = None
    ) -> Future[Any]:
        """See `Executor.submit`."""
        slot = min(self._slots, key=lambda slot: (slot.pending, near not in slot.recent))
        return slot.submit(fn, args, timeout_s, near)

    def shutdown(self) -> None:
        """See `Executor.shutdown`."""
        self._context.refuse()
        try:
            with ThreadPoolExecutor(len(self._slots)) as threads:  # a worker may take seconds to end
                list(threads.map(_Slot.stop, self._slots))
        finally:
            self._context.stop()

    def __enter__(self) -> "LocalExecutor":
        return self

    def __exit__(self, *failure: object) -> None:
        self.shutdown()


class _Slot:
    """One worker process, and those that take its place."""

    def __init__(self, context: Any, initializer: Any, initargs: tuple[Any, ...], growth_bytes: int) -> None:
        self._context = context
        self._pid = context.Value("i", 0)
        self._initargs = (self._pid, initializer, initargs)
        self._growth = growth_bytes
        self._first: tuple[int, int] = (0, 0)  # the process, and what it held after its first unit
        self._grown = False
        self._pool: ProcessPool | None = None
        self._launch: Future[ProcessPool] | None = None
        self.pending = 0
        self.recent: deque[str | None] = deque(maxlen=RECENT)

    @property
    def pid(self) -> int:
        return int(self._pid.value)

    def submit(
        self, fn: Any, args: tuple[Any, ...], timeout_s: float | None, near: str | None
    ) -> Future[Any]:
        launch = self.start()
        self.pending += 1
        self.recent.append(near)
        promise = DeferredFuture(_lost)
        promise.add_done_callback(self._done)
        promise.follow(launch, lambda pool: _schedule(pool, fn, args, timeout_s))
        return promise

    def start(self) -> "Future[ProcessPool]":
        """The pool, once its worker runs; a new one where the worker is lost, or better replaced."""
        if self._launch is None or (self._launch.done() and not self._usable(self._launch)):
            self._pid.value, self._grown = 0, False
            self.recent.clear()
            self._launch = in_background(self._replace)
        return self._launch

    def stop(self) -> None:
        if self._launch is not None:
            self._launch.exception()  # waits; what it launches is ended here
        self._launch = None
        self._end()

    def _usable(self, launch: "Future[ProcessPool]") -> bool:
        well = launch.exception() is None and bool(launch.result().active)
        return well and self._alive() and not (self._grown and not self.pending)

    def _replace(self) -> ProcessPool:
        self._end()
        self._pool = ProcessPool(1, initializer=_begin, initargs=self._initargs, context=self._context)
        with _no_interrupts():
            try:
                _ = self._pool.active  # asking starts the worker
            except BrokenExecutor as error:
                raise WorkerLost(reason=str(error.__cause__)) from error
        return self._pool

    def _end(self) -> None:
        if self._pool is not None:
            self._pool.stop()
            self._pool.join()
        self._pool = None

    def _alive(self) -> bool:
        """Whether the worker lives or is being started; pebble gives up a pool whose idle worker died."""
        with suppress(psutil.NoSuchProcess):
            return self.pid == 0 or bool(psutil.Process(self.pid).status() != psutil.STATUS_ZOMBIE)
        return False

    def _done(self, future: Future[Any]) -> None:
        self.pending -= 1
        if future.cancelled() or isinstance(future.exception(), TimeoutError | WorkerLost):
            self._pid.value = 0  # pebble ended the worker and starts another
            return
        with suppress(psutil.Error):
            held = psutil.Process(self.pid).memory_info().rss
            if self._first[0] != self.pid:
                self._first = (self.pid, held)
            self._grown = held - self._first[1] > self._growth


def _context(loaded: Preload) -> Any:
    """What starts workers: forked from a process that has loaded the libraries, where that works."""
    if sys.platform != "linux":
        return WorkerContext()
    from mlflow_hpo.execution.forkserver import Template, TemplateContext, is_possible

    return TemplateContext(Template(loaded)) if is_possible() else WorkerContext()


@contextmanager
def _no_interrupts() -> Iterator[None]:
    """What is started here never sees Ctrl-C, not even while it boots: that is the driver's to handle."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin(pid: Any, initializer: Callable[..., None] | None, initargs: tuple[Any, ...]) -> None:
    pid.value = os.getpid()
    if initializer:
        initializer(*initargs)


def _schedule(pool: ProcessPool, fn: Any, args: tuple[Any, ...], timeout_s: float | None) -> Future[Any]:
    try:
        return pool.schedule(fn, args=args, timeout=timeout_s)
    except RuntimeError as error:  # its worker died before it took the unit
        raise WorkerLost(reason=str(error)) from error


def _lost(error: BaseException) -> BaseException:
    """Gives pebble's errors of a dead worker as ours, and others as they are."""
    if isinstance(error, ProcessExpired):
        code: int = error.exitcode
        return WorkerLost(signal=-code) if code < 0 else WorkerLost(exit_status=code)
    return WorkerLost(reason=str(error)) if isinstance(error, BrokenExecutor) else error
