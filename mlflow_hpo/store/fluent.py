"""What a user's own code logs with `mlflow.log_metric`, or by autologging, lands on its trial."""

from collections.abc import Iterator
from contextlib import contextmanager

import mlflow
from mlflow.environment_variables import MLFLOW_RUN_ID

from mlflow_hpo.store.connection import Connection


def use_store(uri: str) -> None:
    """Have the fluent API use this store; nothing is changed for a user who does so already."""
    if mlflow.get_tracking_uri() != uri:
        mlflow.set_tracking_uri(uri)


@contextmanager
def fluent_run(connection: Connection, run_id: str) -> Iterator[None]:
    """While this lasts, the fluent API writes to the run; it costs nothing where nobody uses it.

    What it began is ended with it; the run's status is the driver's to write, and comes after.
    """
    use_store(connection.uri)
    MLFLOW_RUN_ID.set(run_id)
    try:
        yield
    finally:
        MLFLOW_RUN_ID.unset()
        while mlflow.active_run() is not None:
            mlflow.end_run()
