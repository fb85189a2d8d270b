"""Claims on a study: which process drives it, told from what its run holds.

A claim is a param of the study's run, numbered one above the last: the store refuses another value for a
param that there is, so of several processes that claim at once only one wins.
"""

import os
import socket
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import psutil
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import SupersededError
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, to_json
from mlflow_hpo.store.tag_reader import TagReader, json_of

BEAT, OBJECT = json_of(tuple[int, int | None]), json_of(dict[str, Any])
held = set[str]()  # the owners among this process's own claims that are not over


def place() -> str:
    """Returns what tells machines, their boots and their containers apart: where pids mean the same."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    return f"{uuid.getnode()} {psutil.boot_time():.0f}"


@dataclass(frozen=True)
class Claim:
    """A process's claim on a study.

    Attributes:
        number: of the claim, from 1; the highest counts.
        place: see `place`.
        started: when the process was, in seconds since 1970: pids are used again.
        owner: random, unlike any other's.
    """

    number: int
    host: str = field(default_factory=socket.gethostname)
    place: str = field(default_factory=place)
    pid: int = field(default_factory=os.getpid)
    started: float = field(default_factory=lambda: psutil.Process().create_time())
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __str__(self) -> str:
        return f"process {self.pid}" + ("" if self.is_here else f" on {self.host}")

    @property
    def param(self) -> str:
        """The param that holds the claim."""
        return f"{keys.CLAIM}{self.number}"

    @property
    def is_here(self) -> bool:
        """Tells whether the process is one that can be looked for from here."""
        return self.place == place()

    @property
    def is_running(self) -> bool:
        """Tells whether its process, which is here, drives a study still."""
        if self.pid == os.getpid():
            return self.owner in held
        with suppress(psutil.Error):
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1  # seconds
        return False

    def make(self, connection: Connection, run_id: str) -> bool:
        """Writes the claim to a study's run; tells whether it won against those made in the same moment."""
        text = to_json(asdict(self))
        try:
            connection.client.log_param(run_id, self.param, text)
        except MlflowException:
            there = connection.client.get_run(run_id).data.params.get(self.param)
            if there is None:  # the store refused for another reason
                raise
            return bool(there == text)
        return True

    @classmethod
    def newest(cls, run: Run) -> Self | None:
        """Returns the highest claim among a run's params; None if there is none.

        Raises:
            DamagedError: it cannot be read.
        """
        params = run.data.params
        numbers = [int(n) for p in params if (n := p.removeprefix(keys.CLAIM)) != p and n.isdecimal()]
        return cls.read(run.info.run_id, params, f"{keys.CLAIM}{max(numbers)}") if numbers else None

    @classmethod
    def read(cls, run_id: str, held_in: Mapping[str, str], key: str) -> Self:
        """Returns the claim that a tag or a param of a run holds.

        Raises:
            DamagedError: it cannot be read.
        """
        found: Self = TagReader(run_id, held_in).read_one(key, claim_in)
        return found


def check_newest(connection: Connection, run_id: str, number: int) -> None:
    """Asks the store whether the claim of a number still counts.

    Raises:
        SupersededError: another process took the study over.
    """
    newest = Claim.newest(connection.client.get_run(run_id))
    if newest and newest.number > number:
        raise SupersededError(f"study {run_id} was taken over by {newest}, where it goes on")


def claim_in(text: str) -> Claim:
    """Reads a claim, all of whose fields must be there: some would otherwise be those of this process."""
    named = OBJECT(text)
    if missing := {part.name for part in fields(Claim)} - named.keys():
        raise ValueError(f"it has no {min(missing)}")
    claim: Claim = CLAIM(to_json(named))
    return claim


CLAIM = json_of(Claim)


def beat_of(run: Run, claim: Claim) -> int | None:
    """Returns how often the claim's process has written that it lives; None if it wrote that it is done.

    Before a claim's process has written, the beats are those of the claim before it, and not its own: 0.
    """
    number, beat = TagReader(run.info.run_id, run.data.tags).read_one(keys.BEAT, BEAT, "[0, 0]")
    return beat if number == claim.number else 0
