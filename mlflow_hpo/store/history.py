"""Reads from a study's runs how trials were trained: when, by what, on what, and their learning curves."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from mlflow.entities import Run

from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, context_tags
from mlflow_hpo.store.names import legal
from mlflow_hpo.trial import State, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store.study_run import StudyRun

MILLI = 1e-3
COMMIT, DATA = "git commit", "data"
MAY_DIFFER = ("host", "memory_gb")  # between two runs, without any effect
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
class Record:
    """How a trial was trained.

    Attributes:
        facts: the commit, the digest of the data, the machine and the packages, by name.
        curve: epoch -> the study's metric.
    """

    facts: dict[str, str]
    curve: dict[int, float]

    def differences(self, now: Record) -> list[str]:
        """Returns in words which of these facts are others in another record."""
        return [
            f"{name}: {self.facts.get(name, 'not recorded')} then, {now.facts.get(name, 'none')} now"
            for name in dict.fromkeys([*self.facts, *now.facts])
            if self.facts.get(name) != now.facts.get(name)
        ]


def used_by(run: Run) -> dict[str, float]:
    """Returns cpu_seconds, peak_memory_mb and gpu_memory_mb of a run, those that were measured."""
    return {k: run.data.metrics[k] for k in USED if k in run.data.metrics}


def machine_of(run: Run) -> dict[str, str]:
    """Returns the facts of the machine that a run was trained on, and the versions of its packages."""
    return {k.removeprefix(keys.MACHINE): v for k, v in run.data.tags.items() if k.startswith(keys.MACHINE)}


def learning_curve(study: StudyRun, trial: Trial, metric: str) -> tuple[tuple[int, float], ...]:
    """Returns (epoch, value) pairs of a trial's metric, in one query; only finite values."""
    history = study.connection.client.get_metric_history(trial.run_id, legal(metric))
    values = {m.step: m.value for m in sorted(history, key=lambda m: m.timestamp)}
    return tuple((epoch, values[epoch]) for epoch in sorted(values) if math.isfinite(values[epoch]))


def unit_spans(study: StudyRun, trial: Trial) -> tuple[UnitSpan, ...]:
    """Returns the time of each unit of a trial, in one query."""
    history = study.connection.client.get_metric_history(trial.run_id, keys.WALL_SECONDS)
    ends = [(m.timestamp * MILLI, m.value, m.step) for m in sorted(history, key=lambda m: m.step)]
    steps = pairwise([(0.0, 0.0, 0), *ends])
    return tuple(UnitSpan(end - (total - before), end, step) for (_, before, _), (end, total, step) in steps)


def last_span(trial: Trial, run: Run) -> UnitSpan | None:
    """Returns the time of the last unit: exact for a trial of one unit; for one without, its run's time."""
    for metric in run.to_proto().data.metrics:  # the only public way to a metric's time without a query
        if metric.key == keys.WALL_SECONDS:
            end = metric.timestamp * MILLI
            return UnitSpan(end - trial.seconds, end, metric.step)
    if trial.state in (State.FAILED, State.KILLED) and run.info.end_time:
        return UnitSpan(run.info.start_time * MILLI, run.info.end_time * MILLI, 0)
    return None


def record_of(connection: Connection, run_id: str, metric: str) -> Record:
    """Reads how the trial of a run was trained."""
    run = connection.client.get_run(run_id)
    history = connection.client.get_metric_history(run_id, legal(metric))
    return Record(_facts(run), {m.step: m.value for m in history})


def tag_context(connection: Connection, run_id: str) -> None:
    """Tags a run with who runs it now, and from which commit."""
    connection.write(run_id, tags=context_tags())


def _facts(run: Run) -> dict[str, str]:
    tags, inputs = run.data.tags, run.inputs.dataset_inputs if run.inputs else []
    facts = {COMMIT: tags[keys.COMMIT]} if keys.COMMIT in tags else {}
    if inputs:
        facts[DATA] = f"{inputs[0].dataset.name} {inputs[0].dataset.digest}"
    return facts | {k: v for k, v in sorted(machine_of(run).items()) if k not in MAY_DIFFER}
