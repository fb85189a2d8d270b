"""The protocol of what runs units, and the error of a worker that died."""

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from mlflow_hpo.errors import StudyError, how_it_ended
from mlflow_hpo.execution.signals import result_of


class WorkerLost(Exception):  # noqa: N818 (the worker's end is no error of the caller's)
    """Tells that a worker ended before it answered; its unit may be given again.

    Attributes:
        exit_status: what the worker ended with, even 0; None where a signal ended it, or nobody knows.
        signal: the number of the signal that ended it.
        host: the machine that was lost, where it was more than one worker.
        reason: why it did not even start, in words.
    """

    def __init__(
        self,
        exit_status: int | None = None,
        signal: int | None = None,
        host: str | None = None,
        reason: str = "",
    ) -> None:
        super().__init__(exit_status, signal, host, reason)  # what pickle gives to a copy
        self.exit_status, self.signal, self.host, self.reason = exit_status, signal, host, reason

    @property
    def how(self) -> str:
        """How the worker ended, as what follows "it"; of a worker that did not start, why."""
        if self.reason:
            return self.reason
        if self.host is not None:
            return f"was lost with its host {self.host}"
        if self.signal is not None:
            return how_it_ended(-self.signal)
        return "ended" if self.exit_status is None else how_it_ended(self.exit_status)

    def __str__(self) -> str:
        start = "its worker died while it started: " if self.reason else "its worker "
        return start + self.how

    def times(self, count: int) -> str:
        """Says how the last of so many workers ended, all of which died with the same unit."""
        return str(self) if count == 1 else f"{count} workers died with it, the last: {self}"


class Executor(Protocol):
    """Runs functions. A dead worker fails one future, and another worker takes its place.

    Attributes:
        workers: how many functions run at a time.
    """

    workers: int

    def submit(
        self, fn: Callable[..., Any], *args: Any, timeout_s: float | None = None, near: str | None = None
    ) -> Future[Any]:
        """Runs `fn(*args)`, where possible in the worker that last ran something `near` the same.

        The future raises what `fn` raised; TimeoutError if it took longer than `timeout_s` seconds;
        WorkerLost if its worker ended. Cancelling a running one ends its worker.
        """

    def shutdown(self) -> None:
        """Ends all workers and cancels what they run."""


def answered(future: Future[Any], while_: str) -> Any:
    """Returns what a worker answered, outside of any trial.

    Args:
        while_: what was being done to the model and the data, in words.

    Raises:
        StudyError: the worker died.
        Interrupted: a signal came.
    """
    try:
        return result_of(future)
    except WorkerLost as lost:
        it = "" if lost.reason else "it "
        raise StudyError(f"a worker died while {while_}: {it}{lost.how}") from None
