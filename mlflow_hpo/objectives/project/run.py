"""Runs a project's entry point for one MLflow run, and reads its metric from the tracking store."""

import json
import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import monotonic, time
from typing import Any

from typing_extensions import override

from mlflow_hpo.errors import SetupError, TrialError, how_it_ended
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.project.process import Command
from mlflow_hpo.objectives.reporter import Reporter, SilentReporter
from mlflow_hpo.objectives.unit import RunLocation
from mlflow_hpo.projects import variables
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.store import Connection, keys, project_runs

# Seconds between two looks at the store: the first and the last pause, and their share of the time so far.
FIRST_PAUSE, LAST_PAUSE, GROWTH = 0.5, 10.0, 0.02
TRACEBACK = "Traceback (most recent call last)"
RAISED = re.compile(r"[\w.]*(Error|Exception|Exit|Interrupt)\b")  # begins the line of an exception
SHOWN = 200  # characters of the last line of output, in a reason


class EntryPointRun:
    """One process of the entry point."""

    def __init__(
        self,
        prepared: Prepared,
        metric: Metric,
        trial: Handle,
        connection: Connection,
        run_id: str,
        config: Mapping[str, Any],
    ) -> None:
        assert trial.context.location is not None
        self._prepared, self._metric, self._trial = prepared, metric, trial
        self._connection, self._run_id = connection, run_id
        self._location = trial.context.location
        self._since = int(time() * 1000) if self._location.retried else 0
        self._began = monotonic()
        self._output = trial.context.folder / keys.OUTPUT_FILE
        self._command = prepared.command(config)

    def result(self) -> float:
        """Runs the process to its end and returns the value that counts.

        Raises:
            TrialError: it failed.
            SetupError: it did not log the metric.
        """
        with self._running() as command:
            while not self._ends(command):
                pass
            self._check(command)
        return self._value(self._logged_values())

    def follow(self) -> None:
        """Runs the process, reports its steps meanwhile, and stops it if the trial does not go on.

        Raises:
            TrialError: it failed.
            SetupError: it did not log the metric.
        """
        self._trial = trial = replace(self._trial, reporter=_LoggedAlready(self._trial.reporter))
        with self._running() as command:
            while not self._ends(command):
                if trial.max_epochs > 1 and not all(self._reports(self._history())):
                    command.stop()
                    if not trial.progress.ended_itself:
                        trial.progress.stop(f"at step {trial.reached} of {trial.max_epochs}")
                    self._keep_model()
                    return
            self._check(command)
        self._conclude(self._logged_values())

    def _value(self, values: list[float]) -> float:
        """Returns the value that counts: the last or the best one."""
        return min(values, key=self._metric.loss) if self._trial.context.at_best else values[-1]

    def _conclude(self, values: list[float]) -> None:
        """Reports the remaining steps, and the value that counts as that of the last step."""
        trial = self._trial
        list(self._reports(values))  # the process has ended: whether it should have does not matter
        epoch = min(max(len(values), trial.reached), trial.epochs) if trial.max_epochs > 1 else 1
        trial.progress.reported.pop(epoch, None)
        trial.report(epoch, {self._metric.name: self._value(values)})
        trial.progress.end(f"ended by itself after {epoch} steps")

    def _reports(self, values: list[float]) -> Iterator[bool]:
        """Reports the new steps before the last epoch; yields after each whether the trial goes on."""
        trial = self._trial
        for step in range(trial.reached + 1, min(len(values), trial.epochs - 1) + 1):
            yield trial.report(step, {self._metric.name: self._value(values[:step])})

    @contextmanager
    def _running(self) -> Iterator[Command]:
        environment = {**os.environ, **_variables(self._location, self._trial.context.run_id, self._run_id)}
        command = Command(self._command, self._prepared.folder, environment, self._output)
        try:
            with command:
                yield command
        finally:
            progress = self._trial.progress
            progress.child_cpu_seconds += command.cpu_seconds
            progress.child_peak_bytes = max(progress.child_peak_bytes, command.peak_bytes)
            project_runs.keep_output(self._connection, self._run_id, self._output)

    def _ends(self, command: Command) -> bool:
        """Waits for a while; returns whether the process has ended.

        Raises:
            TrialError: it took longer than a trial may.
        """
        seconds, location = monotonic() - self._began, self._location
        limit = None if location.trial_timeout is None else location.trial_timeout - location.seconds
        if limit is not None and seconds >= limit:
            raise TrialError(
                f"took longer than the trial_timeout of {location.trial_timeout:g} s", command.tail()
            )
        pause = min(max(FIRST_PAUSE, GROWTH * seconds), LAST_PAUSE)
        return command.ends(pause if limit is None else min(pause, limit - seconds))

    def _check(self, command: Command) -> None:
        if command.status == 0:
            return
        tail = command.tail()
        why = telling_line(tail)[:SHOWN]
        raise TrialError(f"its process {_how_it_ended(command.status)}{f': {why}' if why else ''}", tail)

    def _history(self) -> list[float]:
        return project_runs.history(self._connection, self._run_id, self._metric.name, self._since)

    def _logged_values(self) -> list[float]:
        """Returns the metric's values, after the end."""
        values = self._history()
        metrics = self._keep_model()
        if not values:
            logged = ", ".join(metrics) or "none"
            raise SetupError(f"the project logged no metric {self._metric.name!r}: it logged {logged}")
        return values

    def _keep_model(self) -> list[str]:
        """Notes the model that the process logged; returns the names of its metrics."""
        metrics, self._trial.progress.model_uri = project_runs.left_behind(self._connection, self._run_id)
        return metrics


@dataclass(frozen=True)
class _LoggedAlready(SilentReporter):
    """Records nothing, since the project logs by itself; the trial's reporter decides how long it runs."""

    trial: Reporter

    @override
    def goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        return self.trial.goes_on(epoch, metrics)


def _variables(place: RunLocation, trial_id: str, run_id: str) -> dict[str, str]:
    """Returns what MLflow gives a project's process, and the tags for the runs that it starts itself."""
    tags = {keys.STUDY_RUN: place.study_id, keys.TRIAL_RUN: trial_id, keys.NUMBER: str(place.number)}
    return {
        variables.RUN_ID: run_id,
        variables.TRACKING_URI: place.tracking_uri,
        variables.EXPERIMENT_ID: place.experiment_id,
        variables.TAGS: json.dumps(tags),
    }


def telling_line(output: str) -> str:
    """Returns the line of a failed process's output that says why: what it raised, an error, or the last."""
    lines = [line for line in output.splitlines() if line.strip()]
    begins = [i for i, line in enumerate(lines) if line.startswith(TRACEBACK)]
    raised = [line for line in lines[begins[-1] + 1 :] if not line[0].isspace()] if begins else []
    raised = raised[:1] or [line for line in lines if RAISED.match(line)][-1:]
    said = raised or [line for line in lines if "error" in line.lower()][-1:] or lines[-1:]
    return said[0].strip() if said else ""


def _how_it_ended(status: int) -> str:
    by_signal = 128 - status  # a shell says so of the command that it waited for
    return how_it_ended(by_signal if -by_signal in set(signal.Signals) else status)
