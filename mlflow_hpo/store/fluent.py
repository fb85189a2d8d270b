"""Directs what a user's code logs by `mlflow.log_metric` or autologging to its trial's run."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import mlflow
from mlflow.entities import Run
from mlflow.environment_variables import MLFLOW_RUN_CONTEXT, MLFLOW_RUN_ID, MLFLOW_TRACKING_URI
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.utils.autologging_utils import AUTOLOGGING_INTEGRATIONS

from mlflow_hpo.store import keys
from mlflow_hpo.store.active_trial import ActiveTrial, active_trial
from mlflow_hpo.store.connection import Connection


def use_store(uri: str) -> None:
    """Makes the fluent API use this store, unless it does already."""
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)


def active_run(connection: Connection) -> Run | None:
    """Returns the run that the calling code has active, if it lies in this store."""
    run = mlflow.active_run()
    try:
        return connection.client.get_run(run.info.run_id) if run else None
    except MlflowException as error:  # the code may have named another store since the run began
        if error.error_code == ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
            return None
        raise


@contextmanager
def fluent_run(connection: Connection, run_id: str, logged: Collection[str] = ()) -> Iterator[None]:
    """Makes the fluent API write to a run for a while; it asks the store nothing until code logs something.

    New threads and child processes write to it as well. The driver alone writes the run's status.

    Args:
        logged: packages whose training is logged anyway: MLflow's autologging of them is off.
    """
    use_store(connection.uri)
    variables = _of_child_processes(connection.uri, run_id)
    with environment(variables), active_trial(ActiveTrial(lambda: run_id)), _without_autologging(logged):
        yield


@contextmanager
def _without_autologging(packages: Collection[str]) -> Iterator[None]:
    configs = [AUTOLOGGING_INTEGRATIONS[name] for name in packages if name in AUTOLOGGING_INTEGRATIONS]
    before = [config.get("disable") for config in configs]
    for config in configs:
        config["disable"] = True
    try:
        yield
    finally:
        for config, disabled in zip(configs, before, strict=True):
            config["disable"] = disabled


def _of_child_processes(uri: str, run_id: str) -> dict[str, str]:
    """Returns the variables that lead a process to the run."""
    return {MLFLOW_TRACKING_URI.name: uri, MLFLOW_RUN_ID.name: run_id, **marks(run_id)}


def marks(run_id: str) -> dict[str, str]:
    """Returns the variable by which MLflow tags each run and model that code begins, with the trial's run."""
    tags = {**json.loads(MLFLOW_RUN_CONTEXT.get() or "{}"), keys.TRIAL_RUN: run_id}
    return {MLFLOW_RUN_CONTEXT.name: json.dumps(tags)}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Sets environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
