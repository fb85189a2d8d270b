"""Completes the result of a unit by what trials are judged by beside the first metric."""

from collections.abc import Mapping
from dataclasses import replace

from mlflow_hpo.metric import Constraint
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.trial import Result, Trial


def judged(info: StudyInfo, trial: Trial, result: Result) -> Result:
    """Returns a unit's result with a value of each metric wherever the first one has one, and what it breaks.

    A value that the unit did not bring is the last one that is known: the best epoch may lie in an earlier
    unit, and what a model costs is measured once.
    """
    epochs = sorted(result.values[info.metric.name])
    values = dict(result.values)
    for metric in info.metrics[1:]:
        last = max(trial.results.get(metric.name, {}).items(), default=None)
        before = None if last is None else metric.value(last[1])
        values[metric.name] = _carried(values.get(metric.name, {}), epochs, before)
    if not info.constraints:
        return replace(result, values=values)
    broken = {epoch: _violation(info.constraints, values, epoch, trial) for epoch in epochs}
    return replace(result, values=values, violations=broken)


def _carried(values: Mapping[int, float], epochs: list[int], last: float | None) -> dict[int, float]:
    carried = dict[int, float]()
    for epoch in epochs:
        last = values.get(epoch, last)
        if last is not None:
            carried[epoch] = last
    return carried


def _violation(
    constraints: tuple[Constraint, ...],
    values: Mapping[str, Mapping[int, float]],
    epoch: int,
    trial: Trial,
) -> float:
    """Returns by how much the constraints are broken together; what is not known anew is as it was."""
    known = [(c, values.get(c.metric.name, {}).get(epoch)) for c in constraints]
    if trial.violations and all(value is None for _, value in known):
        return trial.violation()
    return sum(c.violation(value) for c, value in known)
