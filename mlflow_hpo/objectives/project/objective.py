"""A project's entry point, run as a process for each trial; its metric is read from the tracking store."""

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from time import monotonic, time
from typing import Any

from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.errors import SetupError, TrialError, how_it_ended
from mlflow_hpo.metric import Metric
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.project.process import Command
from mlflow_hpo.objectives.reporter import Reporter
from mlflow_hpo.objectives.unit import RunLocation
from mlflow_hpo.projects import variables
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.store import Connection, keys, project_runs

FIRST_PAUSE, LAST_PAUSE, GROWTH = (
    0.5,
    10.0,
    0.02,
)  # seconds between two looks, and the part of the time so far
SHOWN = 200  # characters of the last line of output, in a reason


@dataclass(frozen=True)
class ProjectObjective:
    """Runs the entry point, on the trial's own run; steps of the metric are its epochs.

    Where a parameter is the budget, each rung is a run anew with that parameter, nested below the trial's.
    """

    prepared: Prepared
    metric: Metric
    packages: tuple[str, ...] = ()

    def warm_up(self) -> None:
        """Read the project once."""
        self.prepared.command({**dict.fromkeys(self.prepared.takes or (), ""), **self.prepared.defaults})

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        known = self.prepared
        return ModelInfo(
            name=name,
            defaults=known.defaults,
            takes=None if known.takes is None else frozenset(known.takes),
            has_resources=bool(known.resource),
            needs_data=False,
            constants=known.constants,
        )

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """See `Objective.dry_run`: what it logs, only a run can tell."""
        return None

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """There are no data to score on."""
        return {}

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        assert trial.context.location is not None
        connection = _connection(trial.context.location.tracking_uri)
        if not self.prepared.resource:
            trial = replace(trial, reporter=_LoggedAlready(trial.reporter))
            _Process(self, trial, connection, trial.context.run_id, trial.config).follow()
            return
        for stop in trial.stops:
            if not self._rung(trial, connection, stop):
                return

    def _rung(self, trial: Handle, connection: Connection, stop: int) -> bool:
        """Run anew with the budget of a rung; whether the trial goes on."""
        config = {**trial.config, self.prepared.resource: stop}
        with _nested(connection, trial, f"{self.prepared.resource}-{stop:05d}") as run_id:
            process = _Process(self, trial, connection, run_id, config)
            value = process.value(process.finish())
        return trial.report(stop, {self.metric.name: value})


class _Process:
    """The process of one run."""

    def __init__(
        self,
        of: ProjectObjective,
        trial: Handle,
        connection: Connection,
        run_id: str,
        config: Mapping[str, Any],
    ) -> None:
        assert trial.context.location is not None
        self._of, self._trial, self._connection, self._run_id = of, trial, connection, run_id
        self._location = trial.context.location
        self._since = int(time() * 1000) if self._location.retried else 0
        self._began = monotonic()
        self._output = trial.context.folder / keys.OUTPUT_FILE
        self._command = of.prepared.command(config)

    def value(self, points: list[float]) -> float:
        """The value that counts."""
        if self._of.prepared.at == "last":
            return points[-1]
        return min(points, key=self._of.metric.loss)

    def finish(self) -> list[float]:
        """Run it to its end; gives what it logged.

        Raises:
            TrialError: it failed.
            SetupError: it did not log the metric.
        """
        with self._running() as command:
            while not self._ends(command):
                pass
            self._check(command)
        return self._points()

    def follow(self) -> None:
        """Run it, report its steps while it runs, and end it where the trial does not go on."""
        trial = self._trial
        with self._running() as command:
            while not self._ends(command):
                if trial.max_epochs > 1 and not all(self._reports(self._history())):
                    command.stop()
                    if not trial.progress.ended_itself:
                        trial.progress.stop(f"at step {trial.reached} of {trial.max_epochs}")
                    self._keep_model()
                    return
            self._check(command)
        self._conclude(self._points())

    def _conclude(self, points: list[float]) -> None:
        """Report what it logged last, and the value that counts as that of its last step."""
        trial = self._trial
        list(self._reports(points))  # it has ended: whether it would have been is of no matter
        epoch = min(max(len(points), trial.reached), trial.epochs) if trial.max_epochs > 1 else 1
        trial.progress.reported.pop(epoch, None)
        trial.report(epoch, {self._of.metric.name: self.value(points)})
        trial.progress.end(f"ended by itself after {epoch} steps")

    def _reports(self, points: list[float]) -> Iterator[bool]:
        """Report the steps before the last that are new; after each, whether the trial goes on."""
        trial = self._trial
        for step in range(trial.reached + 1, min(len(points), trial.epochs - 1) + 1):
            yield trial.report(step, {self._of.metric.name: self.value(points[:step])})

    @contextmanager
    def _running(self) -> Iterator[Command]:
        environment = {**os.environ, **_variables(self._location, self._trial.context.run_id, self._run_id)}
        command = Command(self._command, self._of.prepared.folder, environment, self._output)
        try:
            with command:
                yield command
        finally:
            progress = self._trial.progress
            progress.child_cpu_seconds += command.cpu_seconds
            progress.child_peak_bytes = max(progress.child_peak_bytes, command.peak_bytes)
            project_runs.keep_output(self._connection, self._run_id, self._output)

    def _ends(self, command: Command) -> bool:
        """Whether it ended, after a while.

        Raises:
            TrialError: it took longer than a trial may.
        """
        so_far, place = monotonic() - self._began, self._location
        limit = None if place.trial_timeout is None else place.trial_timeout - place.seconds
        if limit is not None and so_far >= limit:
            raise TrialError(
                f"took longer than the trial_timeout of {place.trial_timeout:g} s", command.tail()
            )
        pause = min(max(FIRST_PAUSE, GROWTH * so_far), LAST_PAUSE)
        return command.ends(pause if limit is None else min(pause, limit - so_far))

    def _check(self, command: Command) -> None:
        if command.status == 0:
            return
        tail = command.tail()
        lines = [line for line in tail.splitlines() if line.strip()]
        last = f": {lines[-1].strip()[:SHOWN]}" if lines else ""
        raise TrialError(f"its process {_words(command.status)}{last}", tail)

    def _history(self) -> list[float]:
        return project_runs.history(self._connection, self._run_id, self._of.metric.name, self._since)

    def _points(self) -> list[float]:
        """The metric's values, after the end."""
        points = self._history()
        known = self._keep_model()
        if not points:
            logged = ", ".join(known) or "none"
            raise SetupError(f"the project logged no metric {self._of.metric.name!r}: it logged {logged}")
        return points

    def _keep_model(self) -> list[str]:
        known, self._trial.progress.model_uri = project_runs.left_behind(self._connection, self._run_id)
        return known


@dataclass(frozen=True)
class _LoggedAlready(Reporter):
    """Leaves out the metrics, which the project has logged by itself."""

    trial: Reporter

    @override
    def on_report(self, epoch: int, metrics: Mapping[str, float]) -> None:
        pass

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        return self.trial.on_model(flavor, model, epochs, **options)

    @override
    def on_cost(self, epoch: int, metrics: Mapping[str, float]) -> None:
        self.trial.on_cost(epoch, metrics)

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


@contextmanager
def _nested(connection: Connection, trial: Handle, name: str) -> Iterator[str]:
    """A run of its own for one budget: no param of a run can change."""
    place, trial_id = trial.context.location, trial.context.run_id
    assert place is not None
    tags = {keys.STUDY_RUN: place.study_id, keys.TRIAL_RUN: trial_id}
    run_id = project_runs.nested_run(connection, place.experiment_id, trial_id, name, tags)
    well = False
    try:
        yield run_id
        well = True
    finally:
        project_runs.end_nested(connection, run_id, well)


def _words(status: int) -> str:
    by_signal = 128 - status  # a shell says so of the command that it waited for
    return how_it_ended(by_signal if -by_signal in set(signal.Signals) else status)


@lru_cache(maxsize=1)
def _connection(uri: str) -> Connection:
    return Connection(uri)
