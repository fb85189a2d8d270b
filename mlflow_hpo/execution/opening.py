"""Opens slots of a distributed engine: looks at the host, sends it what it lacks, starts the worker."""

import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Hashable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from uuid import uuid4

import cloudpickle

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.execution.deferred import DeferredFuture
from mlflow_hpo.execution.engine import About, Engine, Order, Slot, about
from mlflow_hpo.execution.host import outcome, packed
from mlflow_hpo.execution.local import RECENT

PIECE = 4 << 20  # bytes of a content that are sent at a time
PROBE = -1  # the number of what is run before all units


@dataclass(eq=False)
class OpenSlot:
    """A slot whose worker has been started.

    Attributes:
        unit: what it runs; None: it is free.
        recent: what its last units were near.
        closed: set when its worker was ended.
    """

    place: Hashable
    host: str
    remote: Slot
    unit: DeferredFuture | None = None
    recent: deque[str | None] = field(default_factory=partial(deque, maxlen=RECENT))
    closed: threading.Event = field(default_factory=threading.Event)
    _cut_at: float | None = None

    def begin(self, unit: DeferredFuture) -> None:
        """Notes that it runs a unit."""
        self.unit, self._cut_at = unit, None
        self.recent.append(unit.near)

    def cut(self, number: int) -> None:
        """Has the worker ended that runs a unit."""
        self._cut_at = time.monotonic()
        with suppress(Exception):  # of the engine: then the slot is gone
            self.remote.cancel(number)

    def is_stuck(self, seconds: float) -> bool:
        """Tells whether it has not ended what was cut so long ago."""
        cut_at = self._cut_at
        return self.unit is not None and cut_at is not None and time.monotonic() - cut_at > seconds

    def close(self) -> None:
        """Ends its worker, and then itself; returns when that is so, or it does not answer."""
        with suppress(Exception):
            self.remote.ask("close")
        self.end()
        self.closed.set()

    def end(self) -> None:
        """Ends it; its worker ends with it."""
        with suppress(Exception):
            self.remote.end()


class Opener:
    """Opens the slots of one study."""

    def __init__(self, engine: Engine, order: Order, elsewhere: Callable[[Order], Order]) -> None:
        """Sets up; see `ClusterExecutor`."""
        self._engine, self._order, self._make = engine, order, elsewhere
        self._elsewhere: Order | None = None
        self._lock = threading.Lock()
        self._hosts: dict[str, threading.Lock] = {}  # held while a host is sent something
        self._probed: set[str] = set()

    def open(self, place: Hashable, left_out: Collection[str]) -> OpenSlot | None:
        """Opens a slot; returns None where its host is left out.

        Raises:
            HpoError: the study cannot run on this host.
            Exception: what the engine raises if the slot or its host died meanwhile.
        """
        remote = self._engine.start(place)
        try:
            host: About = remote.ask("about")
            if host.host in left_out:
                remote.end()
                return None
            _check_versions(host)
            self._prepare(remote, host)
        except BaseException:
            remote.end()
            raise
        return OpenSlot(place, host.host, remote)

    def _prepare(self, remote: Slot, host: About) -> None:
        is_here = host.machine == about().machine
        with self._lock:
            held = self._hosts.setdefault(host.machine, threading.Lock())
            if not is_here and self._elsewhere is None:
                self._elsewhere = self._make(self._order)
        order = self._order if is_here else self._elsewhere
        assert order is not None
        with held:
            if not is_here:
                _send(remote, order)
            remote.ask("open", cloudpickle.dumps(order), is_here, remote.number)
            if order.probe and host.machine not in self._probed:
                outcome(remote.send(PROBE, packed(order.probe, ()), None).result())
                self._probed.add(host.machine)


def _check_versions(host: About) -> None:
    """Raises ConfigError if a host has another Python, or another version of this package."""
    own = about()
    for what, theirs, ours in (
        ("Python", host.python, own.python),
        ("mlflow-hpo", host.version, own.version),
    ):
        if theirs != ours:
            raise ConfigError(
                f"executor: host {host.host} has {what} {theirs}, and here it is {ours}: give it the same"
            )


def _send(remote: Slot, order: Order) -> None:
    """Sends a host the contents that it does not have."""
    sender = uuid4().hex
    for digest in remote.ask("missing", order.digests):
        content = Path(order.contents, digest).read_bytes()
        starts = range(0, len(content) or 1, PIECE)
        for start in starts:
            remote.ask("put", digest, content[start : start + PIECE], sender, start == starts[-1])
