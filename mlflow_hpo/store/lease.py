"""The lease of a study: it lets one process at a time drive it, on whatever machine that is.

The process that holds it writes a beat, a number in a tag, every few seconds. A process elsewhere judges by
whether the beat changes while it watches: no clock of another machine is trusted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep

from mlflow.entities import Run

from mlflow_hpo.errors import StudyError, SupersededError
from mlflow_hpo.store import keys
from mlflow_hpo.store.claim import Claim, beat_of, check_newest, held
from mlflow_hpo.store.connection import Connection, quick, to_json
from mlflow_hpo.store.wishes import Wish, wishes_in

BEAT_SECONDS = 5.0
SILENT_SECONDS = 30.0  # without a new beat: then its process is taken for dead
LOOK_SECONDS = 1.0
FRESH_SECONDS = 1.0  # a driver of many workers writes many times in that time


class Lease:
    """A claim that is held: renewed from a thread until `end`.

    Attributes:
        wishes: what people asked of the study by hand, as the last beat found it.
    """

    def __init__(self, connection: Connection, run_id: str, claim: Claim) -> None:
        self.claim = claim
        self.wishes: list[Wish] = []
        self._connection, self._run_id = connection, run_id
        self._stop, self._beats, self._checked = threading.Event(), 0, monotonic()
        self._thread = threading.Thread(target=self._renew, daemon=True, name="lease")
        held.add(claim.owner)
        self._write(0)
        self._thread.start()

    def check(self) -> None:
        """Asks the store whether the lease is still held.

        Raises:
            SupersededError: another process took the study over.
        """
        asked = monotonic()
        try:
            check_newest(self._connection, self._run_id, self.claim.number)
            self._checked = asked
        except SupersededError:
            self._stop.set()
            raise

    def check_lately(self) -> None:
        """Asks the store as `check` does, unless that was done within the last second."""
        if self._stop.is_set() or monotonic() - self._checked > FRESH_SECONDS:
            self.check()

    def end(self) -> None:
        """Gives the lease up, unless another process took it."""
        lost = self._stop.is_set()
        self._stop.set()
        self._thread.join(BEAT_SECONDS)  # it may be waiting for a store that is away
        held.discard(self.claim.owner)
        if not lost:
            self._write(None)

    def _renew(self) -> None:
        while not self._stop.wait(BEAT_SECONDS):
            with suppress(Exception):  # the store may be away: the next beat may reach it
                self.check()
                self._beats += 1
                self.wishes = wishes_in(self._connection.client.get_run(self._run_id).data.tags)
                if not self._stop.is_set():
                    self._write(self._beats)

    def _write(self, beat: int | None) -> None:
        self._connection.client.set_tag(self._run_id, keys.BEAT, to_json([self.claim.number, beat]))


@contextmanager
def leased(
    connection: Connection,
    run_id: str,
    say: Callable[[str], None],
    check: Callable[[], None],
    take_over: bool = False,
) -> Iterator[Lease]:
    """Holds the lease of a study for the time of the block.

    Args:
        say: gets a line if it has to be watched whether another process lives.
        check: is called meanwhile, once a second; it may raise.
        take_over: do not watch: that process's machine is known to be dead.

    Raises:
        StudyError: another process drives the study.
    """
    run = connection.client.get_run(run_id)
    newest = Claim.newest(run)
    if newest and beat_of(run, newest) is not None:
        _check_is_dead(connection, run, newest, say, check, take_over)
    claim = Claim(newest.number + 1 if newest else 1)
    if not claim.make(connection, run_id):
        raise StudyError(f"study {run_id} was taken over by another process: wait for it or stop it")
    lease = Lease(connection, run_id, claim)
    try:
        yield lease
    finally:
        with suppress(Exception), quick():  # the store may be away: the process that comes next sees no beat
            lease.end()


def _check_is_dead(
    connection: Connection,
    run: Run,
    claim: Claim,
    say: Callable[[str], None],
    check: Callable[[], None],
    take_over: bool,
) -> None:
    run_id = run.info.run_id
    if claim.is_here:
        if claim.is_running:
            raise StudyError(f"study {run_id} is being run by {claim}: wait for it or stop it")
        return
    if take_over:
        return
    say(f"study {run_id} was being run by {claim}: watching for {SILENT_SECONDS:g} s whether that goes on")
    if _is_alive(connection, run, claim, check):
        raise StudyError(
            f"study {run_id} is being run by {claim}: wait for it or stop it; "
            "resume --take-over takes it from a machine that is dead"
        )


def _is_alive(connection: Connection, run: Run, claim: Claim, check: Callable[[], None]) -> bool:
    """Watches whether a claim's process writes a beat, or another claims the study."""
    before, deadline = beat_of(run, claim), monotonic() + SILENT_SECONDS
    while monotonic() < deadline:
        check()
        sleep(LOOK_SECONDS)
        now = connection.client.get_run(run.info.run_id)
        newest, beat = Claim.newest(now), beat_of(now, claim)
        if beat is None:  # it has just ended
            return False
        if newest != claim or beat != before:
            return True
    return False
