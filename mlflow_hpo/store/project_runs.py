"""Reads what a project's process logged on its trial's run, and keeps its output there."""

from pathlib import Path

from mlflow.entities import Metric, Run

from mlflow_hpo.errors import without_secrets
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection
from mlflow_hpo.store.creation import create_run
from mlflow_hpo.store.tag_reader import TagReader, json_of

INFINITE = 1.797e308  # what the store returns for an infinite value
EARLIER = json_of(list[dict[str, object]])
BEFORE_MLFLOW_3 = "mlflow.log-model.history"  # tag: a project's environment may have an older MLflow


def history(connection: Connection, run_id: str, metric: str, since: int = 0) -> list[float]:
    """Returns a metric's values in the order of its steps, the last one of each step.

    If all have one step, it was logged without steps, and each value counts as one.

    Args:
        since: milliseconds since 1970; earlier values are left out.
    """
    points = [m for m in connection.client.get_metric_history(run_id, metric) if m.timestamp >= since]
    points.sort(key=lambda m: (m.step, m.timestamp))
    if len({m.step for m in points}) == 1:
        return [_value(m) for m in points]
    return list({m.step: _value(m) for m in points}.values())


def _value(point: Metric) -> float:
    value = float(point.value)
    return value * 2 if abs(value) >= INFINITE else value  # infinite again


def left_behind(connection: Connection, run_id: str) -> tuple[list[str], str]:
    """Returns the names of a run's metrics, and the URI of the last model that was logged on it."""
    run = connection.client.get_run(run_id)
    metrics = sorted(name for name in run.data.metrics if not name.startswith("system/"))
    return metrics, _last_model(run)


def _last_model(run: Run) -> str:
    models = run.outputs.model_outputs if run.outputs else []
    if last := max(enumerate(models), key=lambda pair: (pair[1].step, pair[0]), default=None):
        return f"models:/{last[1].model_id}"
    earlier = TagReader(run.info.run_id, run.data.tags).read_one(BEFORE_MLFLOW_3, EARLIER, "[]")
    return f"runs:/{run.info.run_id}/{earlier[-1].get('artifact_path')}" if earlier else ""


def keep_output(connection: Connection, run_id: str, file: Path) -> None:
    """Stores the file as the run's `output.txt`, without passwords, unless it is empty."""
    assert file.name == keys.OUTPUT_FILE
    if output := file.read_bytes().decode("latin-1"):  # every byte stays as it is
        file.write_bytes(without_secrets(output).encode("latin-1"))
        connection.client.log_artifact(run_id, str(file))


def nested_run(
    connection: Connection, experiment_id: str, parent_id: str, name: str, tags: dict[str, str]
) -> str:
    """Starts a run below a trial's; returns its id."""
    tags = {keys.PARENT: parent_id} | tags
    return str(create_run(connection, experiment_id, tags, name).info.run_id)


def end_nested(connection: Connection, run_id: str, well: bool) -> None:
    """Ends a nested run as FINISHED or FAILED, whatever its process set."""
    connection.client.set_terminated(run_id, "FINISHED" if well else "FAILED")
