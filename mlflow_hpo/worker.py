"""What runs in a worker process: one unit of a trial, from its checkpoint to its next.

The module imports nothing heavy at its top: a process sets its threads before NumPy and TensorFlow
are loaded, and unpickling a function loads the module it lives in.
"""

from __future__ import annotations

import gc
import math
import os
import signal
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import HpoError, TrialError

if TYPE_CHECKING:
    from mlflow_hpo.datasets import Data
    from mlflow_hpo.objectives.handle import Handle, Objective
    from mlflow_hpo.store import Connection, Recorder
    from mlflow_hpo.trial import Result, Unit

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)


@dataclass(frozen=True)
class Task:
    """What a worker needs to know of the study; the same for all its units.

    Attributes:
        target: a loss that ends a unit at once, or None.
    """

    model: str
    data: str
    data_seed: int
    metric: str
    maximize: bool
    target: float | None
    max_epochs: int
    tracking_uri: str
    experiment_id: str


@dataclass(frozen=True)
class Assignment:
    """One unit, and the trial it belongs to.

    Attributes:
        source_run_id: the run whose checkpoint the unit starts from; None where it starts afresh.
        seconds: what earlier units of the trial took.
        again: whether an attempt at this unit was cut before.
    """

    task: Task
    unit: Unit
    run_id: str
    config: Mapping[str, Any]
    seed: int
    source_run_id: str | None = None
    seconds: float = 0.0
    again: bool = False


def warm_up(model: str, data: str, data_seed: int, threads: int, folder: str | None = None) -> None:
    """Prepare a fresh process: threads, imports, the data. Ends with its driver.

    Args:
        folder: where temporary files go; whoever gives it removes it, whatever becomes of the worker.
    """
    watch_parent(lambda: os._exit(1))
    tempfile.tempdir = folder
    os.environ.update(dict.fromkeys(THREADS, str(threads)))
    _quiet()
    with _silence(), suppress(Exception):  # the first unit meets the same error, and can tell it
        import mlflow_hpo.store  # noqa: F401 (the import is what is wanted)
        from mlflow_hpo.datasets import DataSpec, load_data
        from mlflow_hpo.hardware import machine

        objective(model).warm_up()
        machine()
        load_data(DataSpec(data, data_seed))
    gc.freeze()  # what the imports made stays: a collection between trials need not look at it


def watch_parent(then: Any) -> None:
    """Call `then` when the process that started this one is gone; a worker must not outlive its driver."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        then()

    threading.Thread(target=watch, daemon=True, name="watch-parent").start()


@contextmanager
def _own_errors() -> Iterator[None]:
    """Turn whatever the user's code raises into one of our own errors.

    An exception of TensorFlow's could not be unpickled without importing TensorFlow into the driver.
    """
    from mlflow_hpo.store import store_errors

    try:
        with store_errors("the tracking store refused a trial", files=False):
            yield
    except HpoError:
        raise
    except BaseException as error:
        raise TrialError(_words(error)) from error


@_own_errors()
def train(assignment: Assignment) -> Result:
    """Run one unit: restore, train, log, store the checkpoint.

    Raises:
        TrialError: the trial failed.
        HpoError: the study cannot go on.
    """
    from mlflow_hpo.store import Recorder

    connection = _connection(assignment.task.tracking_uri)
    with (
        tempfile.TemporaryDirectory(prefix="mlflow-hpo-") as folder,
        Recorder(connection, assignment.run_id, assignment.task.experiment_id) as recorder,
    ):
        return _Run(assignment, recorder, Path(folder)).result()


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


@lru_cache(maxsize=1)
def _connection(uri: str) -> Connection:
    from mlflow_hpo.store import Connection

    return Connection(uri)


class _Run:
    """One unit under way."""

    def __init__(self, assignment: Assignment, recorder: Recorder, folder: Path) -> None:
        self._assignment, self._recorder, self._folder = assignment, recorder, folder
        self._task, self._unit = assignment.task, assignment.unit
        self._objective = objective(self._task.model)

    def result(self) -> Result:
        from mlflow_hpo import checkpoints
        from mlflow_hpo.hardware import Usage
        from mlflow_hpo.trial import Result

        usage = Usage()
        data = self._describe()
        if source := self._assignment.source_run_id:
            checkpoints.get(self._recorder.connection, source, self._unit.start, self._folder)
        handle = self._handle(data)
        self._objective.train(handle)
        values = self._values(handle)
        checkpoints.put(self._recorder.connection, self._assignment.run_id, handle.reached, self._folder)
        return Result(
            values=values,
            seconds=usage.seconds,
            cpu_seconds=usage.cpu_seconds,
            peak_memory_bytes=usage.peak_memory_bytes,
            gpu_memory_bytes=usage.gpu_memory_bytes,
            model_uri=handle.model_uri,
        )

    def _values(self, handle: Handle) -> dict[int, float]:
        """The study's metric at the end, and at the bars on the way."""
        if handle.reached == self._unit.start:
            handle.value(self._task.metric, self._unit.stop)
        rungs = [epoch for epoch in self._unit.bars if epoch < handle.reached]
        return {epoch: handle.value(self._task.metric, epoch) for epoch in (*rungs, handle.reached)}

    def _describe(self) -> Data:
        from mlflow_hpo.datasets import DataSpec, load_data
        from mlflow_hpo.hardware import machine, versions

        self._recorder.sample_system(self._assignment.seconds)
        self._recorder.machine(machine() | versions("mlflow", "tensorflow", "keras"))
        data = load_data(DataSpec(self._task.data, self._task.data_seed))
        self._recorder.dataset(data)
        return data

    def _handle(self, data: Data) -> Handle:
        from mlflow_hpo.objectives.handle import Handle

        known = self._recorder.last_epoch(self._task.metric) if self._assignment.again else 0

        def goes_on(epoch: int, metrics: Mapping[str, float]) -> bool:
            value = metrics.get(self._task.metric, math.nan)
            loss = -value if self._task.maximize else value
            reached = self._task.target is not None and loss <= self._task.target
            return not reached and self._unit.goes_on(epoch, loss)

        def report(epoch: int, metrics: Mapping[str, float]) -> None:
            if epoch > known:  # an earlier attempt, with the same seed, logged the epochs up to there
                self._recorder.metrics(metrics, epoch)

        return Handle(
            config=self._assignment.config,
            seed=self._assignment.seed,
            start=self._unit.start,
            epochs=self._unit.stop,
            max_epochs=self._task.max_epochs,
            data=data,
            checkpoint=self._folder,
            on_report=report,
            on_model=self._recorder.model,
            goes_on=goes_on,
            run_id=self._assignment.run_id,
            source_id=self._assignment.source_run_id,
        )


@_own_errors()
def evaluate(task: Task, model_uri: str) -> tuple[dict[str, float], str]:
    """Score a logged model on the test part, which no search sees.

    Returns:
        The metrics, and the digest of the data.

    Raises:
        HpoError: it could not be loaded or scored.
    """
    from mlflow_hpo.datasets import DataSpec, load_data
    from mlflow_hpo.store import load_model

    data = load_data(DataSpec(task.data, task.data_seed))
    found = objective(task.model)
    return found.evaluate(load_model(found.flavor, model_uri, task.tracking_uri), data), data.digest


def objective(name: str) -> Objective:
    """The objective that trains the model with this name."""
    from mlflow_hpo.models import find_model
    from mlflow_hpo.objectives.keras import KerasObjective

    model = find_model(name)
    return KerasObjective(model.build, model.defaults)


@contextmanager
def _silence() -> Iterator[None]:
    """TensorFlow's libraries greet on the error stream while they load, whatever its settings say."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _quiet() -> None:
    """Leave the terminal to the driver's display."""
    import logging

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "ERROR")
    logging.getLogger("mlflow").setLevel(logging.ERROR)
