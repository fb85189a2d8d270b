"""A study that begins inside an active run lies below it, and that run goes on."""

from typing import Any

import mlflow
import pytest

from mlflow_hpo import tune
from mlflow_hpo.errors import HpoError
from mlflow_hpo.store import keys

SPACE = {"x": [1, 2]}
QUICK: dict[str, Any] = {"max_trials": 2, "workers": 0, "progress": False}


@pytest.fixture(autouse=True)
def store(own_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_uri)
    mlflow.set_tracking_uri(own_uri)
    return own_uri


def value(config: dict[str, Any]) -> float:
    return float(config["x"])


def stopped(config: dict[str, Any]) -> float:
    raise KeyboardInterrupt


def failed(config: dict[str, Any]) -> float:
    raise ValueError("no")


def parent_of(run_id: str) -> str | None:
    return mlflow.get_run(run_id).data.tags.get(keys.PARENT)


def test_it_lies_below_the_innermost_active_run_in_its_experiment() -> None:
    job = next(e.experiment_id for e in mlflow.search_experiments() if e.name == "job")
    with mlflow.start_run(experiment_id=job), mlflow.start_run(experiment_id=job, nested=True) as run:
        study = tune(value, SPACE, **QUICK)
        assert mlflow.active_run() == run
        mlflow.log_metric("late", 1)
        assert mlflow.get_run(run.info.run_id).info.status == "RUNNING"
    assert parent_of(study.run_id) == run.info.run_id
    assert {mlflow.get_run(t.run_id).info.experiment_id for t in study.trials} == {job}
    assert mlflow.get_run(run.info.run_id).data.metrics == {"late": 1}
    assert parent_of(tune(value, SPACE, **QUICK).run_id) is None
    assert len(tune(value, SPACE, resume="latest", **QUICK | {"max_trials": 2}).trials) == 2


def test_an_experiment_that_mlflows_settings_name_is_the_studys() -> None:
    with mlflow.start_run() as run:
        mlflow.set_experiment("job")
        study = tune(value, SPACE, **QUICK)
    assert mlflow.get_experiment(mlflow.get_run(study.run_id).info.experiment_id).name == "job"
    assert parent_of(study.run_id) == run.info.run_id


def test_a_run_in_another_store_is_none_of_its(store: str, uri: str) -> None:
    with mlflow.start_run():
        mlflow.set_tracking_uri(uri)
        try:
            study = tune(value, SPACE, **QUICK)
            assert parent_of(study.run_id) is None
        finally:
            mlflow.set_tracking_uri(store)


@pytest.mark.parametrize("objective", [failed, stopped])
def test_whatever_happens_the_run_stays_active(objective: Any) -> None:
    with mlflow.start_run() as run:
        with pytest.raises((HpoError, KeyboardInterrupt)):
            tune(objective, SPACE, **QUICK)
        assert mlflow.active_run() == run
        assert mlflow.get_run(run.info.run_id).info.status == "RUNNING"


@pytest.mark.parametrize("workers", [0, 1])
def test_a_study_in_a_trial_lies_below_the_trial(workers: int) -> None:
    def objective(config: dict[str, Any]) -> float:
        inner = tune(value, SPACE, **QUICK)
        mlflow.log_param("inner", inner.run_id)
        with mlflow.start_run(nested=True, run_name="part"):
            mlflow.log_metric("late", 1)
        return float(config["x"])

    study = tune(objective, SPACE, **QUICK | {"workers": workers})
    assert sorted(mlflow.get_run(t.run_id).data.params["x"] for t in study.trials) == ["1", "2"]
    for trial in study.trials:
        run = mlflow.get_run(trial.run_id)
        assert parent_of(run.data.params["inner"]) == trial.run_id
        assert run.info.status == "FINISHED"
        assert keys.STUDY not in run.data.tags
    assert len(tune(objective, SPACE, resume=study.run_id, **QUICK).trials) == 2


def test_a_process_of_a_trial_that_searches_does_not_turn_the_trial_into_a_study(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    trial = tune(value, SPACE, **QUICK).trials[0]
    monkeypatch.setenv("MLFLOW_RUN_ID", trial.run_id)  # as a process that a trial starts finds it
    inner = tune(value, SPACE, **QUICK)
    assert parent_of(inner.run_id) == trial.run_id
    assert keys.STUDY not in mlflow.get_run(trial.run_id).data.tags
