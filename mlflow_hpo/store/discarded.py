"""Keeps what a user's code logs out of the store where it runs only to see what it is."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.entities import RunInfo
from mlflow.environment_variables import MLFLOW_EXPERIMENT_ID, MLFLOW_RUN_CONTEXT

from mlflow_hpo.store import keys
from mlflow_hpo.store.active_trial import ActiveTrial, active_trial
from mlflow_hpo.store.connection import Connection, connection_to
from mlflow_hpo.store.creation import create_run
from mlflow_hpo.store.deletion import delete_models
from mlflow_hpo.store.fluent import environment, marks


@contextmanager
def discarded() -> Iterator[None]:
    """Deletes in the end what code logs by the fluent API; only code that logs something makes a run."""
    run = ActiveTrial(_begin)
    with environment({MLFLOW_RUN_CONTEXT.name: MLFLOW_RUN_CONTEXT.get() or "{}"}):
        try:
            with active_trial(run):
                yield
        finally:
            if run.is_used:
                _delete(connection_to(mlflow.get_tracking_uri()), run.info)


def _begin() -> str:
    connection = connection_to(mlflow.get_tracking_uri())
    run_id = str(create_run(connection, MLFLOW_EXPERIMENT_ID.get() or "0", {}).info.run_id)
    os.environ.update(marks(run_id))
    return run_id


def _delete(connection: Connection, run: RunInfo) -> None:
    delete_models(connection, run.experiment_id, run.run_id)
    below = f"tags.`{keys.TRIAL_RUN}` = '{run.run_id}'"
    for one in list(connection.runs([run.experiment_id], below, "attributes.start_time ASC")):
        connection.client.delete_run(one.info.run_id)
    connection.client.delete_run(run.run_id)
