"""The project backend `hpo`: `mlflow run PROJECT --backend hpo --backend-config tune.json`."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from mlflow.entities import RunStatus
from mlflow.exceptions import ExecutionException
from mlflow.projects import utils
from mlflow.projects.backend.abstract_backend import AbstractBackend
from mlflow.projects.submitted_run import SubmittedRun
from typing_extensions import override

from mlflow_hpo.api import run_project
from mlflow_hpo.errors import HpoError, unknown
from mlflow_hpo.projects import variables
from mlflow_hpo.projects.checks import FOREIGN
from mlflow_hpo.projects.spec import given_project
from mlflow_hpo.settings import OPTIONS
from mlflow_hpo.vocabulary import setting_hint

OF_MLFLOW = {  # keys that MLflow adds to every backend's config
    utils.PROJECT_BUILD_IMAGE,
    utils.PROJECT_DOCKER_ARGS,
    utils.PROJECT_DOCKER_AUTH,
    utils.PROJECT_ENV_MANAGER,
    utils.PROJECT_STORAGE_DIR,
    utils.PROJECT_SYNCHRONOUS,
}
KNOWN = set(OPTIONS) - {"model", "project", *FOREIGN}


class HpoBackend(AbstractBackend):
    """Tunes the project instead of running it once."""

    @override
    def run(
        self,
        project_uri: str,
        entry_point: str,
        params: Mapping[str, Any] | None,
        version: str | None,
        backend_config: Mapping[str, Any],
        tracking_uri: str,
        experiment_id: str,
    ) -> "TunedRun":
        """Runs the study to its end, because MLflow's command line does not wait for the returned run.

        Raises:
            ExecutionException: MLflow's command line shows it as one line, with exit status 1.
        """
        given = {name: value for name, value in backend_config.items() if name not in OF_MLFLOW}
        try:
            if strange := sorted(given.keys() - KNOWN):
                hint = setting_hint(strange[0], KNOWN)
                raise unknown("key of the backend-config", strange[0], KNOWN, hint)
            project = given_project(
                project_uri,
                entry_point=entry_point,
                version=version,
                parameters={name: str(value) for name, value in (params or {}).items()},
                env_manager=backend_config.get(utils.PROJECT_ENV_MANAGER),
            )
            with _experiment(experiment_id):
                space = given.pop("space", None)  # before the rest is copied: it may be more than a path
                study, _, folder = run_project({**given, "project": project}, space)
                folder.cleanup()
        except HpoError as error:
            raise ExecutionException(str(error)) from None
        return TunedRun(study.run.run_id)


class TunedRun(SubmittedRun):
    """Stands for the run of a study that has finished."""

    def __init__(self, run_id: str) -> None:
        super().__init__()
        self._run_id = run_id

    @property
    @override
    def run_id(self) -> str:
        return self._run_id

    @override
    def wait(self) -> bool:
        return True

    @override
    def get_status(self) -> str:
        return str(RunStatus.to_string(RunStatus.FINISHED))

    @override
    def cancel(self) -> None:
        pass


@contextmanager
def _experiment(experiment_id: str) -> Iterator[None]:
    """Names the experiment that MLflow resolved in the environment, and hides a surrounding project's run."""
    before = {name: os.environ.pop(name, None) for name in (variables.EXPERIMENT_ID, variables.RUN_ID)}
    os.environ[variables.EXPERIMENT_ID] = str(experiment_id)
    try:
        yield
    finally:
        os.environ.pop(variables.EXPERIMENT_ID, None)
        os.environ.update({name: value for name, value in before.items() if value is not None})
