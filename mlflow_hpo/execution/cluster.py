"""Runs units in slots of a distributed engine, which come and go while a study runs."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from itertools import count
from typing import Any

from typing_extensions import override

from mlflow_hpo.execution.deferred import DeferredFuture
from mlflow_hpo.execution.engine import Engine, Order
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.execution.host import outcome, packed
from mlflow_hpo.execution.opening import OpenSlot
from mlflow_hpo.execution.slots import Slots


class ClusterExecutor(Executor):
    """Runs units in the slots that there are; a unit that finds none free waits for one."""

    def __init__(
        self,
        engine: Engine,
        order: Order,
        most: int,
        say: Callable[[str], None] = lambda line: None,
        elsewhere: Callable[[Order], Order] = lambda order: order,
    ) -> None:
        """Sets up; slots are opened at `start`, or with the first unit.

        Args:
            most: slots to use.
            say: is told what becomes of hosts.
            elsewhere: completes the order for hosts that do not share the driver's disk.
        """
        self._engine = engine
        self._slots = Slots(engine, order, most, say, elsewhere, self._dispatch, self._lost)
        self._waiting: deque[tuple[DeferredFuture, int]] = deque()
        self._numbers = count()

    @property
    def workers(self) -> int:  # type: ignore[override]
        """How many units can run now: as many as slots are ready; one waits for the first."""
        return max(1, len(self._slots.ready))

    def start(self) -> "ClusterExecutor":
        """Begins to open slots, and waits for the first.

        Raises:
            HpoError: no slot fits, or the study can run in none of those that do.
        """
        self._slots.watch()
        self._slots.wait()
        return self

    @override
    def submit(
        self, fn: Callable[..., Any], *args: Any, timeout_s: float | None = None, near: str | None = None
    ) -> Future[Any]:
        number, payload = next(self._numbers), packed(fn, args)
        unit = DeferredFuture(lambda slot: slot.remote.send(number, payload, timeout_s), near)
        self._slots.watch()
        with self._slots.lock:
            self._waiting.append((unit, number))
        self._dispatch()
        return unit

    @override
    def shutdown(self) -> None:
        with self._slots.lock:
            units = [unit for unit, _ in self._waiting]
            units += [slot.unit for slot in self._slots.ready.values() if slot.unit]
            self._waiting.clear()
        for unit in units:
            unit.cancel()
        self._slots.end()

    def __enter__(self) -> "ClusterExecutor":
        return self

    def __exit__(self, *failure: object) -> None:
        try:
            self.shutdown()
        finally:
            self._engine.close()

    def _dispatch(self) -> None:
        """Gives waiting units to free slots."""
        with self._slots.lock:
            while self._waiting and (free := [s for s in self._slots.ready.values() if s.unit is None]):
                unit, number = self._waiting.popleft()
                slot = min(free, key=lambda slot: unit.near not in slot.recent)
                self._begin(slot, unit, number)

    def _begin(self, slot: OpenSlot, unit: DeferredFuture, number: int) -> None:
        try:
            work = unit.begin(slot)
        except Exception as error:  # of the engine: the slot is gone
            work = Future()
            work.set_exception(error)
        if work is None:  # the unit was cancelled
            return
        slot.begin(unit)
        unit.add_done_callback(partial(_cut, slot, number))
        work.add_done_callback(partial(self._answered, slot, unit))

    def _answered(self, slot: OpenSlot, unit: DeferredFuture, work: Future[bytes]) -> None:
        """Gives a unit its answer, and its slot the next unit."""
        result, error = None, None
        try:
            told = work.result()
        except BaseException:  # whatever the engine says: the slot is gone
            self._slots.give_up(slot)
            return
        try:
            result = outcome(told)
        except BaseException as raised:
            error = raised
        with self._slots.lock:
            if slot.unit is not unit:  # it was given up meanwhile
                return
            slot.unit = None
        if not unit.cancelled():
            self._slots.note(slot.host, unit.near, isinstance(error, WorkerLost))
        unit.end(result, error)
        self._dispatch()

    def _lost(self, slot: OpenSlot) -> None:
        """Tells what a slot ran that is gone."""
        with self._slots.lock:
            unit, slot.unit = slot.unit, None
        if unit:
            self._slots.note(slot.host, unit.near, is_lost=True)
            unit.end(None, WorkerLost(host=slot.host))


def _cut(slot: OpenSlot, number: int, unit: Future[Any]) -> None:
    """Has the worker ended that runs a cancelled unit."""
    if unit.cancelled():
        slot.cut(number)
