"""A user's own MLflow calls in a trial: they land on its run or below it, and end nothing of the study's."""

import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import cloudpickle
import mlflow
import pytest
from mlflow import end_run, start_run  # names from before any trial
from mlflow.entities import Run
from mlflow.utils.autologging_utils import autologging_is_disabled
from sklearn.linear_model import LinearRegression

from mlflow_hpo import tune
from mlflow_hpo.metric import Metric
from mlflow_hpo.store import Connection, Trials, fluent_run, keys
from mlflow_hpo.store.nested_runs import NestedRuns
from mlflow_hpo.trial import State


@pytest.fixture
def trial_id(connection: Connection, experiment: str) -> str:
    return str(connection.client.create_run(experiment, run_name="trial-0000").info.run_id)


@pytest.fixture
def below(connection: Connection, experiment: str) -> Callable[[str], dict[str, Run]]:
    """The runs directly below one, by their names."""

    def runs_below(run_id: str) -> dict[str, Run]:
        runs = connection.runs(
            [experiment], f"tags.`{keys.PARENT}` = '{run_id}'", "attributes.start_time ASC"
        )
        return {run.info.run_name: run for run in runs}

    return runs_below


def test_nested_runs_lie_below_the_trial_one_after_the_other_and_in_each_other(
    connection: Connection, experiment: str, trial_id: str, below: Callable[[str], dict[str, Run]]
) -> None:
    with fluent_run(connection, trial_id):
        for fold in range(2):
            with mlflow.start_run(run_name=f"fold-{fold}", nested=True):
                mlflow.log_metric("score", fold)
                with start_run(run_name="part", nested=True):
                    mlflow.log_param("depth", 2)
        mlflow.log_metric("late", 1)
    trial = connection.client.get_run(trial_id)
    assert (trial.info.run_name, trial.data.metrics) == ("trial-0000", {"late": 1})
    folds = below(trial_id)
    assert [(name, run.data.metrics) for name, run in folds.items()] == [
        ("fold-0", {"score": 0}),
        ("fold-1", {"score": 1}),
    ]
    for fold_run in folds.values():
        assert below(fold_run.info.run_id)["part"].data.params == {"depth": "2"}
    assert len(list(connection.runs([experiment], "", "attributes.start_time ASC"))) == 5


def test_a_plain_start_run_continues_the_trial_which_no_end_run_ends(
    connection: Connection, experiment: str, trial_id: str
) -> None:
    with fluent_run(connection, trial_id):
        end_run("KILLED")
        for start in (start_run, mlflow.start_run):
            with start(run_name="mine", tags={"team": "a"}, description="words") as run:
                assert run.info.run_id == trial_id
                mlflow.end_run()
        mlflow.start_run()
        mlflow.start_run(run_id=trial_id)
        with start_run(nested=True):
            assert start_run().info.run_id == trial_id
            end_run()
        mlflow.end_run("FAILED")
        mlflow.end_run()
        mlflow.end_run()
        mlflow.log_metric("late", 1)
        assert connection.client.get_run(trial_id).info.status == "RUNNING"
    trial = connection.client.get_run(trial_id)
    assert (trial.info.run_name, trial.info.status, trial.data.metrics) == (
        "trial-0000",
        "RUNNING",
        {"late": 1},
    )
    assert trial.data.tags.items() >= {"team": "a", "mlflow.note.content": "words"}.items()
    assert len(list(connection.runs([experiment], "", "attributes.start_time ASC"))) == 2


def test_threads_write_to_the_trial_that_trains_even_those_that_outlive_one(
    connection: Connection, experiment: str, below: Callable[[str], dict[str, Run]]
) -> None:
    def work(number: int) -> str:
        run = mlflow.active_run()
        mlflow.log_metric(f"of_{number}", number)
        with mlflow.start_run(run_name=f"part-{number}", nested=True):
            mlflow.log_metric("inner", number)
        mlflow.log_metric(f"late_{number}", number)
        return run.info.run_id if run else ""

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: mlflow.active_run(), range(4)))  # before any trial
        for _ in range(2):
            trial_id = connection.client.create_run(experiment).info.run_id
            with fluent_run(connection, trial_id):
                list(pool.map(work, range(4)))
                seen: list[str] = []
                thread = Thread(target=lambda seen=seen: seen.append(work(4)))
                thread.start()
                thread.join()
                assert seen == [trial_id]
            metrics = connection.client.get_run(trial_id).data.metrics
            assert set(metrics) == {f"{when}_{n}" for when in ("of", "late") for n in range(5)}
            assert set(below(trial_id)) == {f"part-{n}" for n in range(5)}
        assert list(pool.map(lambda _: mlflow.active_run(), range(4))) == [None] * 4


def test_a_nested_run_fails_with_an_exception_and_one_that_was_left_open_ends_with_the_trial(
    connection: Connection, trial_id: str, below: Callable[[str], dict[str, Run]]
) -> None:
    def fail() -> None:
        with mlflow.start_run(run_name="inner", nested=True):
            raise ValueError("inner")

    with fluent_run(connection, trial_id):
        with pytest.raises(ValueError, match="inner"):
            fail()
        mlflow.start_run(run_name="open", nested=True)
    with pytest.raises(ValueError, match="outer"), fluent_run(connection, trial_id):  # noqa: PT012
        mlflow.start_run(run_name="open too", nested=True)
        thread = Thread(target=lambda: mlflow.start_run(run_name="in a thread", nested=True))
        thread.start()
        thread.join()
        raise ValueError("outer")
    states = {name: run.info.status for name, run in below(trial_id).items()}
    assert states == {"inner": "FAILED", "open": "FINISHED", "open too": "FAILED", "in a thread": "FAILED"}
    assert connection.client.get_run(trial_id).info.status == "RUNNING"


def test_what_a_killed_process_left_running_below_a_trial_ends_as_the_trial_does(
    connection: Connection, experiment: str, below: Callable[[str], dict[str, Run]]
) -> None:
    study_id = connection.client.create_run(experiment).info.run_id
    trials = Trials(NestedRuns(connection, study_id, experiment, (Metric("loss", maximize=False),), {}))
    killed, other = trials.create(0, {}, 0), trials.create(1, {}, 0)
    for trial in (killed, other):
        with fluent_run(connection, trial.run_id):
            mlflow.start_run(run_name="done", nested=True)
            mlflow.start_run(run_name="left", nested=True)
        for run in below(below(trial.run_id)["done"].info.run_id).values():
            connection.client.update_run(run.info.run_id, status="RUNNING")  # as if it never came to its end
    trials.end(killed, State.KILLED, "its worker died")
    for trial, status in ((killed, "KILLED"), (other, "RUNNING")):
        done = below(trial.run_id)["done"]
        assert done.info.status == "FINISHED"
        assert below(done.info.run_id)["left"].info.status == status
    assert [trial.number for trial in trials.load()] == [0, 1]  # and no other run is a trial


def test_another_run_may_be_continued_and_a_parent_that_is_asked_for_is_the_trial(
    connection: Connection, experiment: str, trial_id: str, below: Callable[[str], dict[str, Run]]
) -> None:
    other = connection.client.create_run(experiment).info.run_id
    with fluent_run(connection, trial_id):
        with mlflow.start_run(run_id=other):
            mlflow.log_metric("theirs", 1)
        with mlflow.start_run(run_name="child", parent_run_id=other):
            mlflow.log_metric("ours", 1)
    continued = connection.client.get_run(other)
    assert (continued.info.status, continued.data.metrics) == ("FINISHED", {"theirs": 1})
    assert below(trial_id)["child"].data.metrics == {"ours": 1}
    assert not below(other)


def test_an_experiment_that_the_script_sets_is_not_the_trials(
    connection: Connection,
    trial_id: str,
    below: Callable[[str], dict[str, Run]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(mlflow.tracking.fluent, "_active_experiment_id", None)  # to be as it was, at the end
    with fluent_run(connection, trial_id):
        elsewhere = mlflow.set_experiment("of the script")
        with mlflow.start_run() as run:
            assert run.info.run_id == trial_id
        with mlflow.start_run(run_name="child", nested=True):
            mlflow.log_metric("ours", 1)
    assert below(trial_id)["child"].data.metrics == {"ours": 1}
    assert not list(connection.runs([elsewhere.experiment_id], "", "attributes.start_time ASC"))


def test_after_a_trial_mlflow_is_as_it_was(connection: Connection, experiment: str, trial_id: str) -> None:
    with fluent_run(connection, trial_id):
        mlflow.log_metric("own", 1)
    assert mlflow.active_run() is None
    with mlflow.start_run(experiment_id=experiment) as run:
        with pytest.raises(Exception, match="already active"):
            mlflow.start_run()
        with fluent_run(connection, trial_id):
            mlflow.end_run()
        assert mlflow.active_run() == run
    assert connection.client.get_run(run.info.run_id).info.status == "FINISHED"
    again = pickle.loads(cloudpickle.dumps(lambda: start_run(experiment_id=experiment)))  # by its name
    with again() as later:
        assert later.info.run_id not in (run.info.run_id, trial_id)


def test_a_process_that_the_code_starts_writes_to_the_trial(connection: Connection, trial_id: str) -> None:
    script = "import mlflow\nwith mlflow.start_run(): mlflow.log_metric('theirs', 1)"
    with fluent_run(connection, trial_id):
        with mlflow.start_run(nested=True):
            pass
        mlflow.log_metric("ours", 1)
        subprocess.run([sys.executable, "-c", script], check=True, timeout=300)
    assert connection.client.get_run(trial_id).data.metrics == {"ours": 1, "theirs": 1}


def test_autologging_makes_no_run_of_its_own(connection: Connection, experiment: str, trial_id: str) -> None:
    def fit() -> None:
        LinearRegression().fit([[0.0], [1.0]], [0.0, 1.0])

    mlflow.sklearn.autolog(log_models=False, silent=True)
    try:
        with fluent_run(connection, trial_id):
            fit()
            thread = Thread(target=fit)
            thread.start()
            thread.join()
            mlflow.log_metric("late", 1)
        other = connection.client.create_run(experiment).info.run_id
        with fluent_run(connection, other, logged=("sklearn", "numpy")):
            fit()
        assert not connection.client.get_run(other).data.metrics  # an objective of ours has logged it
        assert not autologging_is_disabled("sklearn")
    finally:
        mlflow.sklearn.autolog(disable=True)
    trial = connection.client.get_run(trial_id)
    assert {"late", "training_r2_score"} <= set(trial.data.metrics)
    assert trial.info.status == "RUNNING"
    assert len(list(connection.runs([experiment], "", "attributes.start_time ASC"))) == 2


@pytest.mark.parametrize("workers", [0, 1])
def test_a_call_that_only_shows_what_a_function_returns_leaves_nothing(
    own_uri: str, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    def objective(x: int = 1) -> float:
        with mlflow.start_run(), mlflow.start_run(nested=True):
            mlflow.log_metric("own", x)
        mlflow.log_param("y", x)
        return float(x)

    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_uri)
    try:
        with mlflow.start_run() as outer:
            study = tune(objective, {"x": [1, 2]}, max_trials=2, workers=workers, progress=False)
        runs = {run.info.run_id for run in mlflow.search_runs(["0"], output_format="list")}
        assert len(runs) == 6  # the outer one, the study, two trials with a run below each
        assert runs > {outer.info.run_id, study.run_id, *(trial.run_id for trial in study.trials)}
        assert mlflow.get_run(outer.info.run_id).data.params == {}
    finally:
        mlflow.set_tracking_uri(before)
