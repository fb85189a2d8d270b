"""Removes runs that were to become studies, and whose process died before they were: nobody else would."""

import os
from contextlib import suppress

from mlflow.entities import Run

from mlflow_hpo.errors import DamagedError
from mlflow_hpo.store import keys
from mlflow_hpo.store.claim import Claim
from mlflow_hpo.store.connection import Connection

RUNNING = f"attributes.status = 'RUNNING' and tags.`{keys.PROCESS}` != ''"


def remove_unbegun(connection: Connection, experiment_id: str) -> None:
    """Ends and deletes such runs of an experiment, if their process was one of this machine."""
    for run in list(connection.runs([experiment_id], RUNNING, "attributes.start_time ASC")):
        if not {keys.STUDY, *keys.EXTRA_RUNS} & run.data.tags.keys() and _is_dead(run):
            connection.client.set_terminated(run.info.run_id, "KILLED")
            connection.client.delete_run(run.info.run_id)


def _is_dead(run: Run) -> bool:
    with suppress(DamagedError):
        claim = Claim.read(run.info.run_id, run.data.tags, keys.PROCESS)
        return claim.is_here and claim.pid != os.getpid() and not claim.is_running
    return False
