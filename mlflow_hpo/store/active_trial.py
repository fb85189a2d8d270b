"""A trial's run as the active run of MLflow's fluent API, which no code of the user's ends.

It lies at the bottom of MLflow's stack of active runs, of which each thread has one. So
`start_run(nested=True)` begins a run below the trial, as below any other run. But MLflow would refuse a plain
`start_run()` there, and let `end_run()` end the trial: these two functions are replaced.
"""

import inspect
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, cached_property
from threading import RLock
from types import FunctionType
from typing import Any

import mlflow
from mlflow import ActiveRun, MlflowClient
from mlflow.entities import Run, RunData, RunInfo
from mlflow.environment_variables import MLFLOW_RUN_ID
from mlflow.tracking.fluent import _active_run_stack as stacks
from typing_extensions import override

from mlflow_hpo.store import keys

_active: list["ActiveTrial"] = []  # the newest last
_lock = RLock()


class ActiveTrial(ActiveRun):
    """The run of a trial that trains in this process; it is read from the store when code looks at it."""

    def __init__(self, run_id: Callable[[], str]) -> None:
        """Asks for the run's id when it is needed."""
        self._find_id = run_id
        self._inputs = self._outputs = None

    @cached_property
    def run_id(self) -> str:
        """The run's id."""
        return self._find_id()

    @property
    def is_used(self) -> bool:
        """Tells whether code has looked at the run, or logged anything."""
        return "run_id" in vars(self)

    @property
    @override
    def info(self) -> RunInfo:
        return self._read.info

    @property
    @override
    def data(self) -> RunData:
        return self._read.data

    @cached_property
    def _read(self) -> Run:
        return mlflow.get_run(self.run_id)

    def start_again(self, tags: Mapping[str, Any] | None = None, description: str | None = None) -> ActiveRun:
        """Does what MLflow does where a run is continued, but leaves it its name and its status."""
        tags = {**(tags or {}), **({keys.NOTE: description} if description else {})}
        for key, value in tags.items():
            MlflowClient().set_tag(self.run_id, key, value)
        stacks.get().append(self)
        return self


@contextmanager
def active_trial(trial: ActiveTrial) -> Iterator[None]:
    """Makes a trial's run the active one, in new threads too; ends the runs that code began and left open.

    A run that was active before, in the process of a search without workers, is active again afterwards.
    """
    _originals()
    outer, factory = stacks.get(), stacks.default_factory
    stacks.default_factory = lambda: [trial]
    stacks.set([trial])
    _active.append(trial)
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    finally:
        with ExitStack() as last:  # all of it, in this order, whatever the store says
            last.callback(stacks.set, outer)
            last.callback(setattr, stacks, "default_factory", factory)
            last.callback(_end_open_runs, trial, status)
            _active.remove(trial)


def _end_open_runs(trial: ActiveTrial, status: str) -> None:
    with ExitStack() as last:
        for stack in stacks.get_all_thread_values().values():
            if stack and stack[0] is trial:
                last.callback(stack.clear)
                for _ in stack[1:]:
                    last.callback(_end_newest, stack, status)


def _end_newest(stack: list[ActiveRun], status: str) -> None:
    stacks.set(stack)
    mlflow.end_run(status)


def start_run(*args: Any, **kwargs: Any) -> ActiveRun:
    """Begins a run below the active one, or continues the trial's; outside of trials, as MLflow does."""
    start, trial = _originals()[0], _trial_of_thread()
    if trial is None:
        return start(*args, **kwargs)
    asked = inspect.signature(start).bind(*args, **kwargs).arguments
    run_id, below = asked.get("run_id"), asked.pop("parent_run_id", None)
    if run_id == trial.run_id or not (run_id or below or asked.get("nested")):
        return trial.start_again(asked.get("tags"), asked.get("description"))
    if asked.get("experiment_id") is None:
        asked["experiment_id"] = stacks.get()[-1].info.experiment_id
    with _without_variable():
        return start(**{**asked, "nested": True})


def end_run(*args: Any, **kwargs: Any) -> None:
    """Ends the active run, unless it is a trial's; outside of trials, as MLflow does."""
    end, stack = _originals()[1], stacks.get()
    if not _active:
        end(*args, **kwargs)
    elif not (stack and isinstance(stack[-1], ActiveTrial)):
        with _without_variable():
            end(*args, **kwargs)
    elif len(stack) > 1:
        stack.pop()


def _trial_of_thread() -> ActiveTrial | None:
    stack = stacks.get()
    if not stack and _active:  # the thread is older than the trial
        stack.append(_active[-1])
    return stack[0] if stack and isinstance(stack[0], ActiveTrial) else None


@contextmanager
def _without_variable() -> Iterator[None]:
    """Hides the variable that leads child processes to the trial: MLflow would continue that run here."""
    with _lock:
        run_id = os.environ.pop(MLFLOW_RUN_ID.name, None)
        try:
            yield
        finally:
            if run_id:
                os.environ[MLFLOW_RUN_ID.name] = run_id


@cache
def _originals() -> tuple[Callable[..., ActiveRun], Callable[..., None]]:
    """Replaces MLflow's `start_run` and `end_run` for good, and returns what they did.

    Other bodies in the same functions hold for code that imported the names before, too, and such code can
    still be pickled.
    """
    return _with_body(mlflow.start_run, _start_run), _with_body(mlflow.end_run, _end_run)


def _with_body(function: Any, other: Any) -> Callable[..., Any]:
    """Gives a function the body of another one; returns one with the body that it had."""
    original = FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    function.__code__, function.__wrapped__ = other.__code__, original
    return original


def _start_run(*args: Any, **kwargs: Any) -> Any:  # knows only the names in MLflow's module
    from mlflow_hpo.store import active_trial

    return active_trial.start_run(*args, **kwargs)


def _end_run(*args: Any, **kwargs: Any) -> None:
    from mlflow_hpo.store import active_trial

    active_trial.end_run(*args, **kwargs)
