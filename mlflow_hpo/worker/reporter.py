"""Writes what a unit reports to its run, and ends the unit where the study says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from typing_extensions import override

from mlflow_hpo.objectives.reporter import Reporter

if TYPE_CHECKING:
    from mlflow_hpo.space import Asked
    from mlflow_hpo.store import Recorder
    from mlflow_hpo.worker.messages import Assignment


class RunReporter(Reporter):
    """Reports to a trial's run; compares with the thresholds of the unit and with the study's target."""

    def __init__(self, assignment: Assignment, recorder: Recorder) -> None:
        self._assignment, self._recorder = assignment, recorder
        judged_by = [assignment.task.metric.name, *assignment.task.spec.others]
        recorder.names.of(judged_by)  # before any that would be logged under theirs
        # An earlier attempt, with the same seed, logged the epochs up to here.
        self._logged = recorder.last_epoch(assignment.task.metric.name) if assignment.again else 0

    @override
    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if epoch > self._logged:
            self._recorder.metrics(metrics, epoch)

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        return self._recorder.model(flavor, model, epochs, **options)

    @override
    def logged_models(self) -> dict[str, int]:
        return self._recorder.logged_models()

    @override
    def on_cost(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self._recorder.metrics(metrics, epoch)

    @override
    def on_ask(self, asked: Asked) -> None:
        self._recorder.asked(asked)

    @override
    def on_attribute(self, key: str, value: str) -> None:
        self._recorder.attribute(key, value)

    @override
    def goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        if self._assignment.final:
            return True
        task = self._assignment.task
        loss = task.metric.loss(metrics[task.metric.name])
        reached = task.target is not None and loss <= task.target
        return not reached and self._assignment.unit.goes_on(epoch, loss)
