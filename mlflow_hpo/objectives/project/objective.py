"""An MLflow project as an objective: its entry point runs as a process for each trial."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.metric import Metric
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.project.run import EntryPointRun
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.store import keys, project_runs
from mlflow_hpo.store.connection import Connection, connection_to


@dataclass(frozen=True)
class ProjectObjective(Objective):
    """Runs the entry point on the trial's run; the steps of its metric are the trial's epochs.

    If a parameter is the budget, each rung runs the entry point from its beginning with that parameter, in
    a run nested below the trial's.
    """

    prepared: Prepared
    metric: Metric
    packages: tuple[str, ...] = ()

    @override
    def warm_up(self) -> None:
        """Reads the project once."""
        self.prepared.command({**dict.fromkeys(self.prepared.takes or (), ""), **self.prepared.defaults})

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        prepared = self.prepared
        return ModelInfo(
            name=name,
            defaults=prepared.defaults,
            takes=None if prepared.takes is None else frozenset(prepared.takes),
            has_resources=bool(prepared.resource),
            needs_data=False,
            constants=prepared.constants,
        )

    @override
    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Returns None: only a run tells what the project logs."""
        return None

    @override
    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """Returns nothing: there are no data to score on."""
        return {}

    @override
    def train(self, trial: Handle) -> None:
        assert trial.context.location is not None
        connection = connection_to(trial.context.location.tracking_uri)
        if not self.prepared.resource:
            run_id = trial.context.run_id
            EntryPointRun(self.prepared, self.metric, trial, connection, run_id, trial.config).follow()
            return
        for stop in trial.stops:
            if not self._rung(trial, connection, stop):
                return

    def _rung(self, trial: Handle, connection: Connection, stop: int) -> bool:
        """Runs the entry point with the budget of a rung; returns whether the trial goes on."""
        config = {**trial.config, self.prepared.resource: stop}
        with _nested_run(connection, trial, f"{self.prepared.resource}-{stop:05d}") as run_id:
            value = EntryPointRun(self.prepared, self.metric, trial, connection, run_id, config).result()
        return trial.report(stop, {self.metric.name: value})


@contextmanager
def _nested_run(connection: Connection, trial: Handle, name: str) -> Iterator[str]:
    """Makes a run for one budget, as no param of a run can change; ends it at the end of the context."""
    place, trial_id = trial.context.location, trial.context.run_id
    assert place is not None
    tags = {keys.STUDY_RUN: place.study_id, keys.TRIAL_RUN: trial_id}
    run_id = project_runs.nested_run(connection, place.experiment_id, trial_id, name, tags)
    succeeded = False
    try:
        yield run_id
        succeeded = True
    finally:
        project_runs.end_nested(connection, run_id, succeeded)
