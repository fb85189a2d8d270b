"""A run that somebody deletes in the UI while its study runs costs no more than that trial."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Recording, hpo

from mlflow_hpo.errors import StoreError
from mlflow_hpo.metric import best
from mlflow_hpo.store import Connection
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Trial

Start = Callable[..., Study]
DELETED = "its run was deleted"
TRAINING = """
import mlflow
def objective(trial):
    if trial.config["x"] == 2 and trial.config["deletes"]:
        mlflow.MlflowClient().delete_run(trial.context.run_id)
    for epoch in range(trial.start + 1, trial.epochs + 1):
        if not trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch}):
            return
"""


@pytest.fixture
def options(tmp_path: Path) -> dict[str, object]:
    (tmp_path / "training.py").write_text(TRAINING)
    return {"model": f"{tmp_path}/training.py:objective", "algorithm": "grid", "max_epochs": 4}


def test_a_trial_whose_run_is_deleted_while_it_trains_is_given_up(
    start: Start, options: dict[str, object], uri: str
) -> None:
    study = start({**options, "max_trials": 4}, "x: [1, 2, 3, 4]\ndeletes: true")
    study.drive()
    assert study.run.state == "finished"
    reasons = {t.config["x"]: (t.state, t.reason) for t in study.known}
    assert reasons.pop(2) == (State.FAILED, DELETED)
    assert set(reasons.values()) == {(State.FINISHED, "")}
    assert [t.number for t in study.known] == [0, 1, 2, 3]
    listed = json.loads(hpo(uri, "report", study.run.run_id, "--format", "json").stdout)
    assert len(listed) == 3


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED, State.STOPPED, State.FINISHED])
def test_it_may_be_deleted_in_whatever_state_it_is(
    start: Start, connection: Connection, options: dict[str, object], state: State
) -> None:
    deleted: list[Trial] = []

    def delete(trial: Trial) -> None:
        if trial.state is state and trial.number and not deleted:
            deleted.append(trial)
            connection.client.delete_run(trial.run_id)

    more = {"scheduler": "halving", "max_trials": 9, "keep_models": "1"}
    study = start({**options, **more}, "x: [1, 2, 3, 4, 5, 6, 7, 8, 9]\ndeletes: false", Recording(delete))
    study.drive()
    assert deleted
    assert study.run.state == "finished"
    others = [t for t in study.known if t.number != deleted[0].number]
    assert {t.state for t in others} <= {State.FINISHED, State.STOPPED}
    winner = best(study.known)
    assert winner is not None
    assert winner.number != deleted[0].number


def test_it_may_be_deleted_before_a_resume(
    start: Start, again: Start, connection: Connection, options: dict[str, object]
) -> None:
    study = start({**options, "max_trials": 3}, "x: [1, 2, 3, 4, 5]\ndeletes: false")
    study.drive()
    connection.client.delete_run(study.trials[1].run_id)
    more = again(study, max_trials=5)
    more.drive()
    assert [t.number for t in more.known] == [0, 1, 2, 3, 4]
    assert more.trials[1].reason == DELETED
    assert sorted(t.config["x"] for t in more.known) == [1, 2, 3, 4, 5]


def test_deleting_many_runs_is_not_taken_for_failing(
    start: Start, connection: Connection, options: dict[str, object]
) -> None:
    def delete(trial: Trial) -> None:
        if trial.state is State.RUNNING and trial.number < 5:
            connection.client.delete_run(trial.run_id)

    study = start({**options, "max_trials": 6}, "x: [1, 2, 3, 4, 5, 6]\ndeletes: false", Recording(delete))
    study.drive()
    assert [t.reason for t in study.known] == [DELETED] * 5 + [""]


def test_deleting_the_studys_own_run_ends_it_in_clear_words(
    start: Start, connection: Connection, options: dict[str, object]
) -> None:
    def delete(trial: Trial) -> None:
        if trial.number == 1 and trial.state is State.RUNNING:
            connection.client.delete_run(study.run.run_id)

    space = "x: {type: int, low: 1, high: 300}\ndeletes: false"
    study = start({**options, "max_trials": 300}, space, Recording(delete))
    with pytest.raises(StoreError, match=f"study {study.run.run_id}: its run was deleted while it ran: "):
        study.drive()
    assert len(study.known) < 300, "it is noticed when the study's own run is written to, once a second"
