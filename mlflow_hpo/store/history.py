"""What a study's runs show beside its trials: when units ran, learning curves, what was used, and where."""

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
class Span:
    """When a unit was trained: seconds since 1970, and the epochs that the trial had at its end."""

    begin: float
    end: float
    epochs: int


@dataclass(frozen=True)
class Observed:
    """A trial as its run shows it.

    Attributes:
        last: its last unit; None where none has ended.
        used: of cpu_seconds, peak_memory_mb and gpu_memory_mb, those that were measured.
        machine: what it ran on, by the names of `hardware.machine`.
    """

    trial: Trial
    last: Span | None
    used: Mapping[str, float]
    machine: Mapping[str, str]


def observe(study: StudyRun) -> list[Observed]:
    """All trials of a study, by number, in one paged query."""
    return [_observed(trial, run) for trial, run in study.trials.runs()]


def curve(study: StudyRun, trial: Trial, metric: str) -> tuple[tuple[int, float], ...]:
    """A trial's metric after each epoch, in one query; values that are not finite are left out."""
    history = study.connection.client.get_metric_history(trial.run_id, metric)
    at = {m.step: m.value for m in sorted(history, key=lambda m: m.timestamp)}
    return tuple((step, at[step]) for step in sorted(at) if math.isfinite(at[step]))


def spans(study: StudyRun, trial: Trial) -> tuple[Span, ...]:
    """When each of a trial's units was trained, in one query."""
    history = study.connection.client.get_metric_history(trial.run_id, keys.WALL_SECONDS)
    ends = [(m.timestamp * MILLI, m.value, m.step) for m in sorted(history, key=lambda m: m.step)]
    steps = pairwise([(0.0, 0.0, 0), *ends])
    return tuple(Span(end - (total - before), end, step) for (_, before, _), (end, total, step) in steps)


def _observed(trial: Trial, run: Run) -> Observed:
    tags, metrics = run.data.tags, run.data.metrics
    machine = {k.removeprefix(keys.MACHINE): v for k, v in tags.items() if k.startswith(keys.MACHINE)}
    return Observed(trial, _last(trial, run), {k: metrics[k] for k in USED if k in metrics}, machine)


def _last(trial: Trial, run: Run) -> Span | None:
    """Exact for a trial of one unit; of one that failed at once, what its run says."""
    for metric in run.to_proto().data.metrics:  # the only public way to a metric's time without a query
        if metric.key == keys.WALL_SECONDS:
            end = metric.timestamp * MILLI
            return Span(end - trial.seconds, end, metric.step)
    if trial.state in (State.FAILED, State.KILLED) and run.info.end_time:
        return Span(run.info.start_time * MILLI, run.info.end_time * MILLI, 0)
    return None
