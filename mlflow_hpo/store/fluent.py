"""Directs what a user's code logs by `mlflow.log_metric` or autologging to its trial's run."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_hpo.store.connection import Connection


def use_store(uri: str) -> None:
    """Makes the fluent API use this store, unless it does already."""
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)


@contextmanager
def fluent_run(connection: Connection, run_id: str) -> Iterator[None]:
    """Makes the fluent API write to a run for a while; it asks the store nothing until code logs something.

    Runs that the code began end with it; one that was active before, in the process of a search without
    workers, goes on. The driver writes the run's status afterwards.
    """
    use_store(connection.uri)
    outer = _active_run_id()
    MLFLOW_RUN_ID.set(run_id)
    try:
        if outer:  # it would count more than the variable
            mlflow.start_run(run_id, nested=True)
        yield
    finally:
        MLFLOW_RUN_ID.unset()
        while _active_run_id() not in ("", outer):
            mlflow.end_run()


def _active_run_id() -> str:
    run = mlflow.active_run()
    return str(run.info.run_id) if run else ""
