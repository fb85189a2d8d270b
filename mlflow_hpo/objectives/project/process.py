"""Runs a shell command in its own session, and ends it with everything it has started."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Self

GRACE_SECONDS = 5.0  # between SIGTERM and SIGKILL
TICK_SECONDS = 0.01
TAIL_LINES, TAIL_CHARACTERS = 20, 4000


class Command:
    """A running command; a context at whose end nothing of it runs any more.

    Attributes:
        status: its exit status; negative: the signal that ended it.
        cpu_seconds, peak_bytes: what it used, and those of its children that it waited for.
    """

    def __init__(self, command: str, folder: str, environment: Mapping[str, str], output: Path) -> None:
        """Starts it by bash, as MLflow does; its output goes to the file."""
        self.status, self.cpu_seconds, self.peak_bytes = 0, 0.0, 0
        self._output, self._over = output, False
        with output.open("wb") as file:
            self._process = subprocess.Popen(
                ["bash", "-c", command],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def ends(self, within: float) -> bool:
        """Waits for its end; returns whether it came within so many seconds."""
        deadline = monotonic() + within
        while not self._over:
            pid, status, used = os.wait4(self._process.pid, os.WNOHANG)
            if pid:
                self.status = self._process.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_seconds, self.peak_bytes = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024
                self._over = True
            elif monotonic() >= deadline:
                return False
            else:
                sleep(min(TICK_SECONDS, max(deadline - monotonic(), 0)))
        return True

    def stop(self) -> None:
        """Ends its whole process group: by SIGTERM and, if that does not help, SIGKILL."""
        self._signal(signal.SIGTERM)
        deadline = monotonic() + GRACE_SECONDS
        while not self._gone() and monotonic() < deadline:
            sleep(TICK_SECONDS)
        self._signal(signal.SIGKILL)
        self.ends(GRACE_SECONDS)

    def tail(self) -> str:
        """Returns the last lines of its output."""
        text = self._output.read_bytes()[-TAIL_CHARACTERS:].decode(errors="replace")
        return "\n".join(text.rstrip().splitlines()[-TAIL_LINES:])

    def _gone(self) -> bool:
        """Tells whether nothing of the group is left."""
        self.ends(0)
        try:
            os.killpg(self._process.pid, 0)
        except OSError:
            return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        with suppress(OSError):
            os.killpg(self._process.pid, number)
