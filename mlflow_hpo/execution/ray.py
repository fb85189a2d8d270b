"""Carries units on Ray: a slot is an actor, which Ray places where its resources are.

An actor ends with the driver, however that ends. A method that runs cannot be cancelled: the slot's own
executor ends the worker, or else the actor is killed.
"""

import logging
import os
import threading
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import suppress
from itertools import count, islice
from typing import Any

import ray
from ray.exceptions import RayTaskError
from typing_extensions import override

from mlflow_hpo.errors import ConfigError, one_line
from mlflow_hpo.execution.engine import Engine, Resources, Slot, check_answers
from mlflow_hpo.execution.host import SlotServer

SCHEME = "ray://"
ADDRESS = "RAY_ADDRESS"  # the environment variable of a cluster, which Ray's own jobs have
SIGN_SECONDS = 5.0  # between two signs that a slot lives
THREADS = 4  # of an actor: a unit runs in one, and what is said meanwhile comes by the others


class RayEngine(Engine):
    """A connection to a Ray cluster."""

    name = "Ray"

    def __init__(self, resources: Resources, slots: int | None = None, is_owned: bool = False) -> None:
        """Sets up.

        Args:
            slots: how many to ask for, of a cluster that may grow by that; None: what it holds.
            is_owned: it was connected to here, and is left at the end.
        """
        self._resources, self._slots, self._is_owned = resources, slots, is_owned
        self._started: list[tuple[int, RaySlot]] = []

    @override
    def places(self, most: int) -> Sequence[int]:
        """Returns numbers, as Ray itself finds the nodes: as many as the nodes have room for, or as asked.

        Slots that live keep theirs, so that none is given up because another one's node was lost.
        """
        fit = sum(self._resources.fit(node.get("CPU", 0), node.get("GPU", 0)) for node in _nodes())
        wanted = min(fit if self._slots is None or not fit else self._slots, most)
        _end_lost([slot for _, slot in self._started if not slot.has_ended])
        living = [place for place, slot in self._started if not slot.has_ended]
        unused = (place for place in count() if place not in living)
        return [*living, *islice(unused, max(0, wanted - len(living)))]

    @override
    def start(self, place: Any) -> "RaySlot":
        slot = RaySlot(self._resources)
        self._started.append((place, slot))
        return slot

    @override
    def shortage(self) -> str:
        have = sorted({f"{n.get('CPU', 0):g} CPU and {n.get('GPU', 0):g} GPU" for n in _nodes()})
        return f"no node of Ray has room for {self._resources}: they have {'; '.join(have) or 'nothing'}"

    @override
    def close(self) -> None:
        for _, slot in self._started:  # some may still wait for room
            slot.kill()
        if self._is_owned:
            ray.shutdown()


def _nodes() -> list[dict[str, float]]:
    """Returns the resources of each node that lives."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _end_lost(slots: "Sequence[RaySlot]") -> None:
    """Ends the slots that died while they were free, with their node or alone: no unit tells."""
    if not slots:
        return
    answered, _ = ray.wait([slot.sign for slot in slots], num_returns=len(slots), timeout=0)
    for slot in slots:
        if slot.sign in answered:
            slot.look()


def connect(address: str, resources: Resources, slots: int | None, here: int) -> RayEngine:
    """Connects to a cluster, takes the Ray that this process has, or starts one on this machine.

    Args:
        address: `ray://host:port`; or `ray`: what this process or Ray's variable names, else one that starts.
        slots: see `RayEngine`.
        here: for how many slots one that starts has room.

    Raises:
        ConfigError: nobody answers.
    """
    if not address.startswith(SCHEME) and ray.is_initialized():
        return RayEngine(resources, slots)
    how: dict[str, Any] = {
        "logging_level": logging.ERROR,
        "log_to_driver": False,
    }  # it is the display's
    if address.startswith(SCHEME):
        check_answers(address.removeprefix(SCHEME), name="Ray")
        how["address"] = address
    elif ADDRESS not in os.environ:
        how |= {"num_cpus": here * resources.cpus, "include_dashboard": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # what it says is in the error
            ray.init(**how)
    except Exception as error:  # of many kinds
        where = how.get("address") or os.environ.get(ADDRESS) or "this machine"
        raise ConfigError(
            f"executor: no Ray answers at {where}: {one_line(error)} (it may have another version of Ray or "
            "Python, or ask for a token: RAY_AUTH_MODE=token RAY_AUTH_TOKEN=...)"
        ) from None
    return RayEngine(resources, slots, is_owned=True)


class RaySlot(Slot):
    """A slot that is an actor.

    Attributes:
        has_ended: somebody has ended it, or given it up.
        sign: the answer to a question that it has been asked, as a sign that it lives.
    """

    number = 0  # Ray gives each its GPUs

    def __init__(self, resources: Resources) -> None:
        """Starts it, as soon as a node has room."""
        self.has_ended = False
        server = ray.remote(
            num_cpus=resources.cpus,
            num_gpus=resources.gpus,
            max_concurrency=THREADS,
            max_restarts=0,
            scheduling_strategy="SPREAD",
        )(SlotServer)
        self._actor = server.remote()
        self.sign, self._asked = self._actor.about.remote(), time.monotonic()

    def look(self) -> None:
        """Reads its sign, and asks for another one after some seconds; ends it if it has died."""
        try:
            ray.get(self.sign)
        except Exception:
            self.end()
            return
        if time.monotonic() - self._asked > SIGN_SECONDS:
            self.sign, self._asked = self._actor.about.remote(), time.monotonic()

    @override
    def ask(self, method: str, *args: Any) -> Any:
        try:
            return ray.get(getattr(self._actor, method).remote(*args))
        except RayTaskError as error:
            raise error.cause from None

    @override
    def send(self, number: int, payload: bytes, timeout_s: float | None) -> Future[bytes]:
        future: Future[bytes] = self._actor.run.remote(number, payload, timeout_s).future()
        return future

    @override
    def cancel(self, number: int) -> None:
        self._actor.cancel.remote(number)

    @override
    def end(self) -> None:
        """See `Slot`; in a thread: in a future's callback, Ray would wait for itself."""
        self.has_ended = True
        threading.Thread(target=self.kill, daemon=True, name="slot-end").start()

    def kill(self) -> None:
        """Ends it, and waits until Ray knows."""
        with suppress(Exception):  # there is no Ray any more
            ray.kill(self._actor)
