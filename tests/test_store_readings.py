"""What a project's process left on its run is read back in order."""

import json
from math import inf

from mlflow.entities import Metric

from mlflow_hpo.store import Connection, project_runs


def logged(connection: Connection, experiment: str, *points: tuple[float, int, int]) -> str:
    """A run with these values, times and steps of `loss`."""
    run_id = str(connection.client.create_run(experiment).info.run_id)
    connection.client.log_batch(run_id, metrics=[Metric("loss", *point) for point in points])
    return run_id


def test_values_come_in_the_order_of_their_steps_the_last_of_each(
    connection: Connection, experiment: str
) -> None:
    run_id = logged(connection, experiment, (0.1, 5, 30), (0.3, 1, 10), (0.2, 2, 20), (0.25, 3, 20))
    assert project_runs.history(connection, run_id, "loss") == [0.3, 0.25, 0.1]


def test_without_steps_each_value_is_one(connection: Connection, experiment: str) -> None:
    run_id = logged(connection, experiment, (0.1, 5, 0), (0.3, 1, 0), (0.2, 2, 0))
    assert project_runs.history(connection, run_id, "loss") == [0.3, 0.2, 0.1]


def test_what_an_earlier_attempt_logged_is_left_out(connection: Connection, experiment: str) -> None:
    run_id = logged(connection, experiment, (0.3, 1, 1), (0.2, 100, 1), (0.1, 200, 2))
    assert project_runs.history(connection, run_id, "loss", since=100) == [0.2, 0.1]
    assert project_runs.history(connection, run_id, "other") == []


def test_an_infinite_value_is_infinite_again(connection: Connection, experiment: str) -> None:
    run_id = logged(connection, experiment, (inf, 1, 1), (-inf, 1, 2))
    assert project_runs.history(connection, run_id, "loss") == [inf, -inf]


def test_a_model_of_an_older_mlflow_is_found(connection: Connection, experiment: str) -> None:
    run_id = logged(connection, experiment, (0.1, 1, 1))
    assert project_runs.left_behind(connection, run_id) == (["loss"], "")
    connection.client.set_tag(
        run_id, project_runs.BEFORE_MLFLOW_3, json.dumps([{"artifact_path": "a"}, {"artifact_path": "model"}])
    )
    assert project_runs.left_behind(connection, run_id) == (["loss"], f"runs:/{run_id}/model")
