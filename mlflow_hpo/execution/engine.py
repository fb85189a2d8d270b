"""What a distributed engine does for a study: it starts slots on hosts, carries units to them, and ends them.

A slot is a place for one unit at a time on some host: there runs a `SlotServer`, whose local executor has one
worker. So a deadline, a kill and warm models are the same everywhere.
"""

import platform
import socket
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from mlflow_hpo.errors import ConfigError, one_line
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.hardware import host_name

CONNECT_SECONDS = 15.0  # in which an engine's address must answer


@dataclass(frozen=True)
class About:
    """What a host says of itself.

    Attributes:
        host: its name.
        machine: the same for processes that see the same disk and processes.
        python: major and minor version.
        version: of this package.
    """

    host: str
    machine: str
    python: str
    version: str


def about() -> About:
    """Describes the host of this process."""
    from mlflow_hpo import __version__

    host, boot = host_name(), ""
    with suppress(OSError):  # Linux
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return About(host, f"{host} {boot}", ".".join(platform.python_version_tuple()[:2]), __version__)


@dataclass(frozen=True)
class Resources:
    """What each slot takes of its host: cores, and GPUs or parts of one."""

    cpus: int = 1
    gpus: float = 0.0

    def __str__(self) -> str:
        gpus = f" and {self.gpus:g} GPU" if self.gpus else ""
        return f"{self.cpus} CPU{'' if self.cpus == 1 else 's'}{gpus}"

    def fit(self, cpus: float, gpus: float) -> int:
        """Returns how many slots fit into so much."""
        most = int(cpus // self.cpus)
        return min(most, int(gpus / self.gpus + 1e-6)) if self.gpus else most


@dataclass(frozen=True)
class Order:
    """How a slot makes its worker.

    Attributes:
        initializer, initargs, loaded: as of `LocalExecutor`; the initializer is also given the worker's
            folder for temporary files, and that of contents.
        environment: variables to set before that.
        folder, path, contents: the driver's working folder, search path and folder of contents, which are
            used where the host is the driver's.
        digests: the contents that other hosts are sent.
        archive: that of them which holds files of the working folder; or empty.
        gpus: of the worker, or a part of one; None: those that the slot sees.
        probe: is called once in a worker of each host, and raises if the study cannot run there.
    """

    initializer: Callable[..., None] | None = None
    initargs: tuple[Any, ...] = ()
    loaded: Preload = field(default_factory=Preload)
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    path: tuple[str, ...] = ()
    contents: str = ""
    digests: tuple[str, ...] = ()
    archive: str = ""
    gpus: float | None = None
    probe: Callable[[], None] | None = None


class Slot(Protocol):
    """A slot that runs. What it raises when it or its host has died is any exception.

    Attributes:
        number: which it is, from 0, of those that share GPUs; the same for all if the engine deals them out.
    """

    number: int

    def ask(self, method: str, *args: Any) -> Any:
        """Calls a method of its `SlotServer`, and waits for the answer."""

    def send(self, number: int, payload: bytes, timeout_s: float | None) -> Future[bytes]:
        """Has it run a unit; see `SlotServer.run`."""

    def cancel(self, number: int) -> None:
        """Has it end the worker that runs a unit; does not wait for that."""

    def end(self) -> None:
        """Ends it and its worker; does not wait for that."""


class Engine(Protocol):
    """A distributed engine, connected to.

    Attributes:
        name: for people.
    """

    name: str

    def places(self, most: int) -> Sequence[Hashable]:
        """Returns where there may be slots now, at most so many."""

    def start(self, place: Hashable) -> Slot:
        """Starts a slot, and waits until it runs.

        Raises:
            Exception: that failed, or its place is gone.
        """

    def shortage(self) -> str:
        """Says what the cluster has, where nothing fits."""

    def close(self) -> None:
        """Leaves the cluster; ends it if it was started here."""


def check_answers(place: str, name: str) -> None:
    """Checks that somebody listens; the engines themselves would ask for a minute.

    Args:
        place: HOST:PORT.

    Raises:
        ConfigError: nobody does, or it is no such place.
    """
    host, _, port = place.rpartition(":")
    if not host or not port.isdecimal():
        raise ConfigError(f"executor: no {name} answers at {place!r}: give HOST:PORT")
    try:
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"executor: no {name} answers at {place!r}: {one_line(error)}") from None
