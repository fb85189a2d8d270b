"""Reads from a study's runs when units were trained, what they used and where, and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mlflow.entities import Run

from mlflow_hpo.store import keys
from mlflow_hpo.trial import State, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store.study_run import StudyRun

MILLI = 1e-3
USED = (keys.CPU_SECONDS, keys.PEAK_MEMORY, keys.GPU_MEMORY)


@dataclass(frozen=True)
class UnitSpan:
    """The time in which a unit was trained.

    Attributes:
        begin, end: seconds since 1970.
        epochs: of the trial, at the unit's end.
    """

    begin: float
    end: float
    epochs: int


@dataclass(frozen=True)
class TrialUsage:
    """A trial with the time, resources and machine that it took.

    Attributes:
        last: the time of its last unit; None if no unit has ended.
        used: of cpu_seconds, peak_memory_mb and gpu_memory_mb, those that were measured.
        machine: facts by the names of `hardware.machine`.
    """

    trial: Trial
    last: UnitSpan | None
    used: Mapping[str, float]
    machine: Mapping[str, str]


def trial_usages(study: StudyRun) -> list[TrialUsage]:
    """Returns the usage of all trials of a study, by number, in one paged query."""
    return [
        TrialUsage(
            trial,
            _last_span(trial, run),
            {k: run.data.metrics[k] for k in USED if k in run.data.metrics},
            machine_of(run),
        )
        for trial, run in study.trials.runs()
    ]


def machine_of(run: Run) -> dict[str, str]:
    """Returns the facts of the machine that a run was trained on, and the versions of its packages."""
    return {k.removeprefix(keys.MACHINE): v for k, v in run.data.tags.items() if k.startswith(keys.MACHINE)}


def learning_curve(study: StudyRun, trial: Trial, metric: str) -> tuple[tuple[int, float], ...]:
    """Returns (epoch, value) pairs of a trial's metric, in one query; only finite values."""
    history = study.connection.client.get_metric_history(trial.run_id, metric)
    values = {m.step: m.value for m in sorted(history, key=lambda m: m.timestamp)}
    return tuple((epoch, values[epoch]) for epoch in sorted(values) if math.isfinite(values[epoch]))


def unit_spans(study: StudyRun, trial: Trial) -> tuple[UnitSpan, ...]:
    """Returns the time of each unit of a trial, in one query."""
    history = study.connection.client.get_metric_history(trial.run_id, keys.WALL_SECONDS)
    ends = [(m.timestamp * MILLI, m.value, m.step) for m in sorted(history, key=lambda m: m.step)]
    steps = pairwise([(0.0, 0.0, 0), *ends])
    return tuple(UnitSpan(end - (total - before), end, step) for (_, before, _), (end, total, step) in steps)


def _last_span(trial: Trial, run: Run) -> UnitSpan | None:
    """Returns the time of the last unit: exact for a trial of one unit; for one without, its run's time."""
    for metric in run.to_proto().data.metrics:  # the only public way to a metric's time without a query
        if metric.key == keys.WALL_SECONDS:
            end = metric.timestamp * MILLI
            return UnitSpan(end - trial.seconds, end, metric.step)
    if trial.state in (State.FAILED, State.KILLED) and run.info.end_time:
        return UnitSpan(run.info.start_time * MILLI, run.info.end_time * MILLI, 0)
    return None
