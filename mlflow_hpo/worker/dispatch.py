"""The driver's side of the workers: makes a study's units into messages, and sends them."""

from collections.abc import Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import StudyRun
from mlflow_hpo.trial import Result, Trial, Unit, derived_seed
from mlflow_hpo.worker.messages import Assignment, Task
from mlflow_hpo.worker.train import train


@dataclass(frozen=True)
class Dispatcher:
    """Sends the units of one study to its workers."""

    run: StudyRun
    info: StudyInfo
    spec: ObjectiveSpec
    executor: Executor

    @property
    def task(self) -> Task:
        """What the workers must know of the study."""
        settings = self.info.settings
        return Task(
            spec=self.spec,
            metrics=self.info.metrics,
            target=self._target,
            max_epochs=self.info.max_epochs,
            tracking_uri=self.run.connection.uri,
            experiment_id=self.run.experiment_id,
            study_id=self.run.run_id,
            trial_timeout=settings.trial_timeout,
            claim=self.run.lease.claim.number if self.run.lease else 0,
        )

    @property
    def _target(self) -> float | None:
        """The loss at which a unit ends; none with constraints, which only all its metrics tell."""
        target = self.info.settings.target
        return None if target is None or self.info.constraints else self.info.metric.loss(target)

    def seed(self, number: int) -> int:
        """Returns the seed that a trial trains with: derived, never stored for a resume."""
        return derived_seed(self.info.settings.seed, number)

    def submit_unit(
        self, trial: Trial, unit: Unit, source_run_id: str | None, again: bool
    ) -> "Future[Result]":
        """Sends a unit of a trial, where possible to the worker that ran its last one.

        Args:
            again: an attempt at the unit was cut before.
        """
        seed = trial.config.get("seed", self.seed(trial.number))
        best = trial.best_by(unit.start) if source_run_id == trial.run_id else None
        assignment = Assignment(
            self.task, unit, trial.run_id, trial.config, seed, source_run_id, best, trial.seconds, again
        )
        left = self.info.seconds_left(trial.seconds)
        return self.executor.submit(train, assignment, timeout_s=left, near=trial.run_id)

    def submit_extra(
        self,
        run_id: str,
        unit: Unit,
        config: Mapping[str, Any],
        seed: int,
        source_run_id: str | None = None,
        final: bool = False,
        timeout_s: float | None = None,
    ) -> "Future[Result]":
        """Sends a training in an extra run; it does not end at the study's target.

        Args:
            final: it trains on the validation rows as well.
        """
        task = replace(self.task, target=None)
        assignment = Assignment(task, unit, run_id, config, seed, source_run_id, final=final)
        return self.executor.submit(train, assignment, timeout_s=timeout_s)
