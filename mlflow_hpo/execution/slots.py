"""Keeps the slots of a cluster: opens those that come, gives up those that are gone."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable

from mlflow_hpo.errors import ConfigError, HpoError, StudyError, one_line
from mlflow_hpo.execution.engine import Engine, Order
from mlflow_hpo.execution.hosts import Hosts
from mlflow_hpo.execution.opening import Opener, OpenSlot

TICK_SECONDS = 1.0
AGAIN_SECONDS = 20.0  # after which a slot is tried again whose host was left out
PATIENCE_SECONDS = 15.0  # for a worker that is to be ended; then its slot is
START_SECONDS = 120.0  # in which a first slot must be ready
COME_SECONDS = 3.0  # in which a first place for one must be seen: workers may just be starting
ATTEMPTS = 5  # to start a slot
SILENT_SECONDS = 15.0  # in which an engine may fail to say which places there are


class Slots:
    """The slots that there are, looked after by a thread, from `watch` to `end`.

    Attributes:
        ready: those that can be given units, by their places.
        lock: held while slots come, go, or are given units.
    """

    def __init__(
        self,
        engine: Engine,
        order: Order,
        most: int,
        say: Callable[[str], None],
        elsewhere: Callable[[Order], Order],
        came: Callable[[], None],
        went: Callable[[OpenSlot], None],
    ) -> None:
        """Sets up; see `ClusterExecutor`.

        Args:
            came: is called when a slot is ready.
            went: is called when one is gone.
        """
        self._engine, self._most, self._say, self._came, self._went = engine, most, say, came, went
        self._opener = Opener(engine, order, elsewhere)
        self.lock = threading.RLock()
        self._clear()

    def _clear(self) -> None:
        self.ready: dict[Hashable, OpenSlot] = {}
        self._opening: set[Hashable] = set()
        self._refused: dict[Hashable, HpoError] = {}  # places, with why nothing can run there
        self._hosts = Hosts(self._say)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures: Counter[Hashable] = Counter()

    def watch(self) -> None:
        """Begins to look after the slots."""
        with self.lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, daemon=True, name="slots")
                self._thread.start()

    def wait(self) -> None:
        """Waits until a slot is ready.

        Raises:
            HpoError: no slot fits, or the study can run in none of those that do.
        """
        began = time.monotonic()
        while not self.ready:
            with self.lock:
                places, waited = self._engine.places(self._most), time.monotonic() - began
                if not places and waited > COME_SECONDS:
                    raise ConfigError(f"executor: {self._engine.shortage()}")
                if places and set(places) <= set(self._refused):
                    raise self._refused[places[0]]
            if waited > START_SECONDS:
                raise StudyError(f"executor: {self._engine.name} gave no slot within {START_SECONDS:g} s")
            time.sleep(0.05)

    def end(self) -> None:
        """Ends all slots, and waits for that."""
        self._ended.set()
        if self._thread:
            self._thread.join()
        slots = [*self.ready.values()]
        for slot in slots:
            threading.Thread(target=slot.close, daemon=True, name="close").start()
        for slot in slots:
            slot.closed.wait(PATIENCE_SECONDS)
            slot.end()
        self._clear()

    def give_up(self, slot: OpenSlot) -> None:
        """Forgets a slot that is gone."""
        with self.lock:
            if self.ready.get(slot.place) is not slot:
                return
            del self.ready[slot.place]
        slot.end()
        self._went(slot)

    def note(self, host: str, near: str | None, is_lost: bool) -> None:
        """Notes how a unit ended, see `Hosts`."""
        with self.lock:
            self._hosts.note(host, near, is_lost, [slot.host for slot in self.ready.values()])

    def _look(self) -> None:
        ended, places, answered = self._ended, list[Hashable](), time.monotonic()
        while not ended.is_set():
            try:
                places, answered = [*self._engine.places(self._most)], time.monotonic()
            except Exception:  # of the engine, which may have been busy; one that stays silent has no slots
                places = places if time.monotonic() - answered < SILENT_SECONDS else []
            for slot in [*self.ready.values()]:
                is_out = slot.host in self._hosts.left_out or slot.is_stuck(PATIENCE_SECONDS)
                if slot.place not in places or is_out:
                    self.give_up(slot)
            with self.lock:
                known = {*self.ready, *self._opening, *self._refused}
                new = [place for place in places if place not in known]
                self._opening |= {*new}
            for place in new:
                threading.Thread(target=self._open, args=(place,), daemon=True, name="slot").start()
            ended.wait(TICK_SECONDS)

    def _open(self, place: Hashable) -> None:
        ended, slot = self._ended, None
        try:
            slot = self._opener.open(place, self._hosts.left_out)
            if slot is None:
                ended.wait(AGAIN_SECONDS)
        except Exception as error:
            self._note_failure(place, error, ended)
        with self.lock:
            if is_wanted := not ended.is_set():  # else the places are those of others by now
                self._opening.discard(place)
                if slot:
                    self.ready[place] = slot
        if slot and not is_wanted:
            slot.end()
        self._came()

    def _note_failure(self, place: Hashable, error: Exception, ended: threading.Event) -> None:
        """Notes why a slot did not open; what the engine raises may pass, and the slot is tried again."""
        with self.lock:
            if ended.is_set():
                return
            if isinstance(error, HpoError):
                self._refuse(place, error)
                return
            self._fail(place, error)
        ended.wait(TICK_SECONDS)

    def _fail(self, place: Hashable, error: Exception) -> None:
        """Notes that a slot did not start; where that happens often, nothing can run there."""
        self._failures[place] += 1
        if self._failures[place] >= ATTEMPTS:
            words = f"executor: a slot of {self._engine.name} does not start: {one_line(error)}"
            self._refuse(place, StudyError(words))

    def _refuse(self, place: Hashable, error: HpoError) -> None:
        """Notes a place where nothing can run; says so if there are others, where the study goes on."""
        if self.ready and str(error) not in map(str, self._refused.values()):
            self._say(str(error))
        self._refused[place] = error
