"""Carries units on Dask.

A Dask worker under a nanny may have no child processes by `multiprocessing`, so that each slot is a process
by `subprocess`, started by a task. The task's result is its lease: Dask drops it when nobody wants it any
more, as when the driver has died, and with it ends the slot. Each unit is a task, so that Dask's own
resources hold.
"""

import asyncio
import logging
import threading
import weakref
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Any
from uuid import uuid4

from distributed import Client, LocalCluster
from distributed import Future as DaskFuture
from typing_extensions import override

from mlflow_hpo.errors import ConfigError, one_line
from mlflow_hpo.execution.engine import CONNECT_SECONDS, Engine, Resources, Slot, check_answers
from mlflow_hpo.execution.slot_process import SlotProcess

SCHEME = "dask://"
GPU = "GPU"  # the resource, as Dask's own documents call it
START_SECONDS = 60
NOISY = ("distributed.worker", "distributed.nanny", "distributed.scheduler", "distributed.core")
_processes: dict[str, SlotProcess] = {}  # of this Dask worker, by their slots' names

Place = tuple[str, str, int]  # a worker's address, its id, and which of its slots


class DaskEngine(Engine):
    """A connection to a Dask cluster."""

    name = "Dask"

    def __init__(self, client: Client, resources: Resources, owned: Sequence[Any] = ()) -> None:
        """Sets up.

        Args:
            owned: what is closed at the end.
        """
        self._client, self._resources, self._owned = client, resources, owned

    @override
    def places(self, most: int) -> Sequence[Place]:
        """Returns as many for each worker as its threads and its resource `GPU` have room for."""
        found = [
            (number, address, worker["id"])
            for address, worker in self._workers().items()
            for number in range(self._resources.fit(worker["nthreads"], worker["resources"].get(GPU, 0)))
        ]
        return [(address, key, number) for number, address, key in sorted(found)[:most]]

    @override
    def start(self, place: Any) -> "DaskSlot":
        return DaskSlot(self._client, place[0], self._resources, place[2])

    @override
    def shortage(self) -> str:
        have = sorted({_has(worker) for worker in self._workers().values()})
        there = f"they have {'; '.join(have)}" if have else "there is none"
        return f"no Dask worker has room for {self._resources}: {there}"

    @override
    def close(self) -> None:
        for part in self._owned:
            with suppress(Exception):
                part.close()

    def _workers(self) -> Mapping[str, Any]:
        """Asks the scheduler; what the client knows of itself is as old as it likes, and may be a part."""
        asked = self._client.sync(self._client.scheduler.identity, n_workers=-1)
        workers: Mapping[str, Any] = asked["workers"]
        return workers


def _has(worker: Mapping[str, Any]) -> str:
    gpus = worker["resources"].get(GPU)
    return f"{worker['nthreads']} threads and " + (f"{gpus:g} {GPU}" if gpus else f"no resource {GPU}")


def connect(address: "str | Client", resources: Resources, slots: int) -> DaskEngine:
    """Connects to a scheduler, takes a client, or starts a cluster on this machine.

    Args:
        address: `dask://host:port`; or `dask`, for a cluster with room for so many slots here.

    Raises:
        ConfigError: nobody answers.
    """
    if isinstance(address, Client):
        return DaskEngine(address, resources)
    if address.startswith(SCHEME):
        client = _client(address.removeprefix(SCHEME))
        return DaskEngine(client, resources, (client,))
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # the terminal is the display's
    cluster = LocalCluster(
        n_workers=1,
        threads_per_worker=max(1, slots) * resources.cpus,
        resources={GPU: slots * resources.gpus} if resources.gpus else None,
        memory_limit=0,
        dashboard_address=":0",
        silence_logs=logging.CRITICAL,
    )
    client = Client(cluster)
    return DaskEngine(client, resources, (client, cluster))


def _client(place: str) -> Client:
    check_answers(place, name="Dask scheduler")
    try:
        return Client(f"tcp://{place}", timeout=CONNECT_SECONDS, set_as_default=False)
    except Exception as error:  # of many kinds
        raise ConfigError(f"executor: no Dask scheduler answers at {place!r}: {one_line(error)}") from None


class DaskSlot(Slot):
    """A slot beside a Dask worker."""

    def __init__(self, client: Client, address: str, resources: Resources, number: int) -> None:
        """Starts it; `number` tells it from the others of its Dask worker.

        Raises:
            ConfigError: its worker cannot.
            TimeoutError: its worker is gone.
        """
        self.number = number
        self._client, self._address, self._name = client, address, f"mlflow-hpo-{uuid4().hex[:12]}"
        self._takes = {GPU: resources.gpus} if resources.gpus else None
        self._works: dict[int, DaskFuture[bytes]] = {}
        self._lease: Any = self._submit(Lease, self._name, key=self._name)
        error = self._lease.exception(START_SECONDS)
        if error is not None:
            why = one_line(error)
            raise ConfigError(f"executor: the Dask worker {address} cannot start a slot: {why}")

    @override
    def ask(self, method: str, *args: Any) -> Any:
        answers = self._client.run(_ask, self._name, method, args, workers=[self._address])
        return answers[self._address]

    @override
    def send(self, number: int, payload: bytes, timeout_s: float | None) -> Future[bytes]:
        future = Future[bytes]()
        key = f"{self._name}-{number}"
        work = self._submit(_run, self._name, number, payload, timeout_s, key=key, resources=self._takes)
        self._works[number] = work  # Dask forgets what nobody holds

        def answer(done: Any) -> None:
            self._works.pop(number, None)
            try:
                future.set_result(done.result())
            except BaseException as error:
                future.set_exception(error)

        work.add_done_callback(answer)
        return future

    @override
    def cancel(self, number: int) -> None:
        threading.Thread(target=self._tell, args=("cancel", number), daemon=True).start()

    @override
    def end(self) -> None:
        self._lease = None
        self._works.clear()

    def _tell(self, method: str, *args: Any) -> None:
        with suppress(Exception):  # then it is gone
            self.ask(method, *args)

    def _submit(self, fn: Any, *args: Any, **how: Any) -> Any:
        return self._client.submit(
            fn, *args, workers=[self._address], allow_other_workers=False, pure=False, **how
        )


class Lease:
    """Lives in a Dask worker as long as somebody wants a slot there, which ends with it."""

    def __init__(self, name: str) -> None:
        """Starts the slot."""
        _processes[name] = SlotProcess()
        weakref.finalize(self, _end, name)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        return object, ()  # moved to another worker, it stands for nothing


def _end(name: str) -> None:
    """Ends a slot, in a thread: Dask drops what nobody wants in its event loop."""
    threading.Thread(target=_processes.pop(name).end, name="slot-end").start()


async def _ask(name: str, method: str, args: tuple[Any, ...]) -> Any:
    return await asyncio.wrap_future(_processes[name].call(method, *args))


def _run(name: str, number: int, payload: bytes, timeout_s: float | None) -> bytes:
    told: bytes = _processes[name].call("run", number, payload, timeout_s).result()
    return told
