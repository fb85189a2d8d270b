"""Plans of studies, made as a session makes them."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlflow_hpo.execution.executor import Executor, answered
from mlflow_hpo.models import ModelInfo, find_model
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import read_settings
from mlflow_hpo.space import Space
from mlflow_hpo.study.checks import is_builtin_study
from mlflow_hpo.study.setup import StudyPlan, plan
from mlflow_hpo.study.source import Given
from mlflow_hpo.study.workers import NAMED_DATA
from mlflow_hpo.trial import Config, Trial
from mlflow_hpo.worker.inspect import describe, dry_run

FOLDER = Path(tempfile.gettempdir())  # of contents: these plans have none


class WorkerInspector:
    """Asks a worker that is there already about a user's model; without one, knows built-in models only."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor

    def describe(self, spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        if is_builtin_study(spec):
            return find_model(name), NAMED_DATA
        assert self._executor is not None
        model, data = answered(self._executor.submit(describe, spec, name), "it was loaded")
        return model, data

    def start(self, spec: ObjectiveSpec, count: int) -> None:
        """The worker runs."""

    def dry_run(self, spec: ObjectiveSpec, config: Config, epochs: int) -> tuple[str, ...] | None:
        assert self._executor is not None
        metrics: tuple[str, ...] | None = answered(
            self._executor.submit(dry_run, spec, config, epochs), "it was tried"
        )
        return metrics

    def earlier_trials(self, info: StudyInfo, space: Space) -> tuple[str, list[Trial]]:
        raise AssertionError("these plans have no earlier study")


def make_plan(
    options: Mapping[str, Any], space_text: str = "", executor: Executor | None = None, **given: Any
) -> StudyPlan:
    """The plan of a study."""
    known = Given(FOLDER, space_text=space_text, **given)
    return plan(read_settings(options), known, WorkerInspector(executor))


def make_info(options: Mapping[str, Any]) -> StudyInfo:
    """What is known of a study of a built-in model."""
    return make_plan(options).info
