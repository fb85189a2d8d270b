"""Runs units in this very process, so that breakpoints work in the user's code."""

import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from typing_extensions import override

from mlflow_hpo.errors import ConfigError, Stopped
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.execution.leftovers import marked
from mlflow_hpo.execution.signals import ends_here, noted

NO_DEADLINE = (
    "trial-timeout: training in this process cannot be cut, that needs a worker process: "
    "give workers of at least 1"
)


class SerialExecutor(Executor):
    """Runs each function when it is submitted, in the thread that submits it; the future is done by then.

    A deadline cannot be kept here, so that a unit with one is refused; and what ends the process ends all.
    """

    workers = 1

    def __init__(
        self, initializer: Callable[..., None] | None = None, initargs: tuple[Any, ...] = ()
    ) -> None:
        """Sets up; the first unit calls `initializer(*initargs)` before it runs."""
        self._initializer, self._initargs = initializer, initargs

    @override
    def submit(
        self, fn: Callable[..., Any], *args: Any, timeout_s: float | None = None, near: str | None = None
    ) -> Future[Any]:
        if timeout_s is not None:
            raise ConfigError(NO_DEADLINE)
        future: Future[Any] = Future()
        try:
            with marked(), _generators_kept():
                future.set_result(self._run(fn, *args))
        except Stopped as stopped:
            if not noted():
                raise
            future.set_exception(WorkerLost(reason=str(stopped)))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run(self, fn: Callable[..., Any], *args: Any) -> Any:
        if self._initializer:
            ends_here(self._initializer, *self._initargs)
            self._initializer = None
        return ends_here(fn, *args)

    @override
    def shutdown(self) -> None:
        """Does nothing: whatever was submitted has ended."""

    def __enter__(self) -> "SerialExecutor":
        return self

    def __exit__(self, *failure: object) -> None:
        self.shutdown()


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Leaves the global random generators as they were: a unit seeds them, and MLflow names runs by them."""
    import numpy as np

    states = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
