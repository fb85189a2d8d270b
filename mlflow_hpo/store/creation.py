"""Creates runs so that one whose answer was lost, and that was asked for again, can be told from the other.

MLflow repeats a request that got no answer. If the store had done it, there are twins: with the same mark.
"""

import uuid
from collections.abc import Mapping

from mlflow.entities import LoggedModel, Run

from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, checked
from mlflow_hpo.store.repeats import deleting

TWIN_NOTE = "The store was asked for a run twice, as its first answer was lost. This one was not used."


def new_mark(claim: int = 0) -> str:
    """Returns a mark for what is created; `claim` is that of the process, if it drives a study."""
    return f"{claim}-{uuid.uuid4().hex}"


def claim_of(run: Run) -> int:
    """Returns the number of the claim whose process created a run; 0 if that is not known."""
    return int(run.data.tags.get(keys.CREATED, "0").partition("-")[0])


def create_run(
    connection: Connection, experiment_id: str, tags: Mapping[str, str], name: str | None = None
) -> Run:
    """Starts a run; if its first answer was lost, the twin is set aside at once."""
    tags = {**tags, keys.CREATED: new_mark()}
    run = connection.client.create_run(experiment_id, tags=checked(tags), run_name=name)
    set_twins_aside(connection, run)
    return run


def set_twins_aside(connection: Connection, run: Run) -> None:
    """Ends and deletes the runs that were created together with one, as its first answer was lost."""
    same = f"tags.`{keys.CREATED}` = '{run.data.tags[keys.CREATED]}'"
    for other in list(connection.runs([run.info.experiment_id], same, "attributes.start_time ASC")):
        if other.info.run_id != run.info.run_id:
            set_aside(connection, other)


def set_aside(connection: Connection, run: Run) -> None:
    """Ends a run that nobody uses, and deletes it; it is no trial any more, if somebody restores it."""
    client, run_id = connection.client, run.info.run_id
    connection.write(run_id, tags={keys.NOTE: TWIN_NOTE})
    if keys.NUMBER in run.data.tags:
        with deleting():
            client.delete_tag(run_id, keys.NUMBER)
    client.set_terminated(run_id, "KILLED")
    client.delete_run(run_id)


def delete_twins(connection: Connection, model: LoggedModel) -> None:
    """Deletes the logged models that were created together with one, as its first answer was lost."""
    mark = model.tags[keys.CREATED]
    for other in list(connection.models(model.experiment_id, f"source_run_id = '{model.source_run_id}'")):
        if other.tags.get(keys.CREATED) == mark and other.model_id != model.model_id:
            with deleting():
                connection.client.delete_logged_model(other.model_id)
