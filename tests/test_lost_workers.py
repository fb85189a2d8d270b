"""A worker that dies costs one attempt at a unit, which is given again from its checkpoint."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow
import pytest

from mlflow_hpo import tune
from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import Connection
from mlflow_hpo.trial import State, Trial

KILLED = "its worker was killed by SIGKILL (out of memory?)"


@pytest.fixture(autouse=True)
def store(monkeypatch: pytest.MonkeyPatch, own_uri: str) -> Iterator[None]:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_uri)
    before = mlflow.get_tracking_uri()  # an earlier test may have set one in this process
    mlflow.set_tracking_uri(own_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "job")
    yield
    mlflow.set_tracking_uri(before)


def dying(folder: Path, times: int, at: float = 1) -> Any:
    """An objective whose process is killed in its second epoch, so many times, where x is `at`."""

    def objective(trial: Any) -> None:
        for epoch in range(trial.start + 1, trial.epochs + 1):
            if trial.config["x"] == at and epoch == 2:
                deaths = len(list(folder.iterdir()))
                if deaths < times:
                    (folder / str(deaths)).touch()
                    os.kill(os.getpid(), signal.SIGKILL)
            trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch})

    return objective


def searched(objective: Any, **more: Any) -> list[Trial]:
    given: dict[str, Any] = {"algorithm": "grid", "workers": 2, "max_epochs": 3, "progress": False}
    study = tune(objective, {"x": [0, 1]}, **(given | more))
    return study.trials


@pytest.fixture
def deaths(tmp_path: Path) -> Path:
    (tmp_path / "deaths").mkdir()
    return tmp_path / "deaths"


@pytest.mark.parametrize("at", [0, 1], ids=["the baseline", "another trial"])
def test_the_unit_of_a_worker_that_was_killed_is_trained_again(deaths: Path, own_uri: str, at: int) -> None:
    trials = searched(dying(deaths, times=2, at=at))
    assert [t.state for t in trials] == [State.FINISHED, State.FINISHED]
    assert [t.attempts for t in trials] == [0, 0]
    assert [t.loss for t in trials] == pytest.approx([1 / 3, 4 / 3])
    client = Connection(own_uri).client
    history = client.get_metric_history(trials[at].run_id, "loss")
    assert sorted(m.step for m in history) == [1, 2, 3], "no epoch is logged twice"
    assert client.get_run(trials[at].run_id).info.status == "FINISHED"


def test_a_unit_that_kills_every_worker_fails_its_trial_alone(deaths: Path) -> None:
    trials = searched(dying(deaths, times=9))
    assert [t.state for t in trials] == [State.FINISHED, State.FAILED]
    assert trials[1].reason == f"3 workers died with it, the last: {KILLED}"
    assert len(list(deaths.iterdir())) == 3


def test_without_retries_the_first_death_is_the_end_until_a_resume_retries(deaths: Path) -> None:
    objective = dying(deaths, times=1)
    given: dict[str, Any] = {"algorithm": "grid", "workers": 1, "max_epochs": 3, "progress": False}
    study = tune(objective, {"x": [0, 1]}, retries=0, **given)
    assert study.trials[1].reason == KILLED
    assert tune(objective, {"x": [0, 1]}, resume=study.run_id, progress=False).trials == study.trials
    again = tune(objective, {"x": [0, 1]}, resume=study.run_id, retry_failed=True, progress=False)
    assert [t.state for t in again.trials] == [State.FINISHED, State.FINISHED]
    assert again.trials[0] == study.trials[0]


def test_a_study_all_of_whose_workers_die_ends(deaths: Path) -> None:
    def objective(config: Any) -> float:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0.0

    with pytest.raises(StudyError, match="trial 0: 2 workers died with it, the last: its worker was killed"):
        searched(objective, retries=1, max_epochs=None)
