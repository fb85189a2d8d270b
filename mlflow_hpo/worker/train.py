"""What runs in a worker process: one unit of a trial, from its checkpoint to its next.

Like `startup`, it imports nothing heavy at its top.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_hpo.errors import StoreError, TrialError
from mlflow_hpo.worker.startup import data_of, own_errors, user_errors

if TYPE_CHECKING:
    from mlflow_hpo.data import Data
    from mlflow_hpo.objectives.handle import Handle
    from mlflow_hpo.objectives.progress import Progress
    from mlflow_hpo.objectives.unit import RunLocation
    from mlflow_hpo.store import Recorder
    from mlflow_hpo.trial import Result
    from mlflow_hpo.worker.messages import Assignment


@own_errors()
def train(assignment: Assignment) -> Result:
    """Trains one unit: restore, train, log, store the checkpoint.

    Raises:
        TrialError: the trial failed.
        HpoError: the study cannot go on.
    """
    from mlflow_hpo.store import Recorder
    from mlflow_hpo.store.claim import check_newest
    from mlflow_hpo.store.connection import connection_to

    task = assignment.task
    connection = connection_to(task.tracking_uri)

    def check() -> None:
        if task.claim:
            check_newest(connection, task.study_id, task.claim)

    with (
        connection.writing(assignment.run_id),
        tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True) as folder,
        Recorder(connection, assignment.run_id, task.experiment_id, check) as recorder,
    ):
        return _Run(assignment, recorder, Path(folder)).result()


class _Run:
    """One unit under way."""

    def __init__(self, assignment: Assignment, recorder: Recorder, folder: Path) -> None:
        self._assignment, self._recorder, self._folder = assignment, recorder, folder
        from mlflow_hpo.objectives.find import find_objective

        self._task, self._unit = assignment.task, assignment.unit
        spec = self._task.spec
        self._subject = spec.with_everything() if assignment.final else spec
        self._rests = not self._subject.project  # a project's process leaves no checkpoint
        with self._user_code():
            self._objective = find_objective(self._subject)

    def result(self) -> Result:
        from mlflow_hpo.hardware import Usage
        from mlflow_hpo.store import checkpoints, fluent_run
        from mlflow_hpo.trial import Result, State

        usage = Usage()
        data = self._describe()
        handle = self._handle(data)
        of, logged = self._assignment, self._objective.packages
        with self._user_code(), fluent_run(self._recorder.connection, of.run_id, logged):
            self._objective.train(handle)
        values, progress = self._values(handle), handle.progress
        if self._rests:
            self._recorder.check()
            checkpoints.put(self._recorder.connection, self._assignment.run_id, handle.reached, self._folder)
        over = handle.ended_itself or handle.reached >= self._task.max_epochs
        return Result(
            values={self._task.metric.name: values} | self._others(values, progress),
            state=State.STOPPED if progress.stopped else State.FINISHED if over else State.PAUSED,
            seconds=usage.seconds,
            cpu_seconds=usage.cpu_seconds + progress.child_cpu_seconds,
            peak_memory_bytes=progress.child_peak_bytes or usage.peak_memory_bytes,
            gpu_memory_bytes=usage.gpu_memory_bytes,
            model_uri=progress.model_uri,
            ended_itself=handle.ended_itself,
            best_epoch=handle.best_epoch,
            reason=handle.reason,
            renamed=self._recorder.names.renamed,
        )

    def _user_code(self) -> AbstractContextManager[None]:
        """Marks errors as the user's code's; not for a project, whose code runs in another process."""
        return user_errors() if self._rests else nullcontext()

    def _values(self, handle: Handle) -> dict[int, float]:
        """Returns the metric by epoch: at thresholds passed, where a target stopped it, and last."""
        if self._assignment.final:
            return {handle.reached: math.nan}
        own, progress = self._assignment.source_run_id == self._assignment.run_id, handle.progress
        if own and handle.ended_itself and not progress.reported:  # it had ended where its last unit did
            return {}
        if handle.reached == self._unit.start:
            progress.value(self._task.metric.name, self._unit.stop)
        passed = [epoch for epoch in self._unit.thresholds if epoch < handle.reached]
        must = [e for e in passed if self._unit.thresholds[e] < math.inf or e in progress.reported]
        told = [] if progress.stop_epoch is None else [progress.stop_epoch]
        return {e: progress.value(self._task.metric.name, e) for e in sorted({*must, *told, handle.reached})}

    def _others(self, epochs: Iterable[int], progress: Progress) -> dict[str, dict[int, float]]:
        from mlflow_hpo.worker.others import other_metrics

        names = () if self._assignment.final else self._subject.others
        return other_metrics(names, epochs, progress, self._recorder, is_first=not self._unit.start)

    def _describe(self) -> Data | None:
        from mlflow_hpo.data import whole
        from mlflow_hpo.hardware import machine, versions

        self._recorder.sample_system(self._assignment.seconds)
        self._recorder.machine(machine() | versions("mlflow", *self._objective.packages))
        with self._user_code():
            data = data_of(self._subject)
        if data is None:
            return None
        data = whole(data) if self._assignment.final else data
        self._recorder.dataset(data)
        return data

    def _handle(self, data: Data | None) -> Handle:
        from mlflow_hpo.objectives.given_config import given_config
        from mlflow_hpo.objectives.handle import Handle
        from mlflow_hpo.objectives.unit import UnitContext
        from mlflow_hpo.worker.reporter import RunReporter

        unit = UnitContext(
            config=given_config(self._subject, self._assignment.config),
            seed=self._assignment.seed,
            start=self._unit.start,
            epochs=self._unit.stop,
            max_epochs=self._task.max_epochs,
            data=data,
            folder=self._folder,
            metric=None if self._assignment.final else self._task.metric,
            metrics=self._subject.returned or (self._task.metric.name,),
            at_best=self._subject.at_best,
            best=self._assignment.best,
            early_stopping=self._subject.early_stopping,
            rungs=tuple(sorted(self._unit.thresholds)),
            run_id=self._assignment.run_id,
            source_id=self._assignment.source_run_id,
            asks=self._assignment.seed if self._subject.asks else None,
            location=self._location(),
        )
        reporter = RunReporter(self._assignment, self._recorder)
        return Handle(unit, reporter, fetch=self._fetch if unit.source_id and self._rests else None)

    def _fetch(self) -> None:
        from mlflow_hpo.store import checkpoints, store_errors

        source = self._assignment.source_run_id
        assert source is not None
        try:
            with store_errors(files=False):
                checkpoints.get(self._recorder.connection, source, self._unit.start, self._folder)
        except StoreError as error:
            if self._assignment.again:  # it was no passing trouble: the study is not to end by it once more
                raise TrialError(str(error)) from error
            raise

    def _location(self) -> RunLocation:
        from mlflow_hpo.objectives.unit import RunLocation

        task, of = self._task, self._assignment
        return RunLocation(
            tracking_uri=task.tracking_uri,
            experiment_id=task.experiment_id,
            study_id=task.study_id,
            number=-1 if of.unit.trial is None else of.unit.trial,
            retried=of.again,
            trial_timeout=task.trial_timeout,
            seconds=of.seconds,
        )
