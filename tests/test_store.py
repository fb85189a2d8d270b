"""What is written is what is documented, and reads back as it was."""

import re
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import hpo, one_line_error
from plans import make_info, make_plan

from mlflow_hpo.errors import SetupError, StoreError, StudyError
from mlflow_hpo.store import Connection, Recorder, StudyRun, find_study, find_trial, keys
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.resumption import check_same
from mlflow_hpo.trial import Result, State

METRIC = "val_accuracy"
DOCUMENT = Path(__file__).parents[1] / "docs" / "tracking.md"
OF_MLFLOW = ("mlflow.", "system/")


def documented() -> set[str]:
    """Every key in the tables of docs/tracking.md, with `NAME` for what depends on the study."""
    return set(re.findall(r"^\| `([^`]+)`", DOCUMENT.read_text(), flags=re.M))


def test_a_study_writes_exactly_the_documented_keys(
    start: Callable[..., Study], connection: Connection
) -> None:
    study = start({"max_trials": 3, "max_epochs": 1}, "units: [8]\nactivation: [relu, nonsense]")
    study.drive()
    parent = connection.client.get_run(study.run.run_id)
    children = [connection.client.get_run(t.run_id) for t in study.known]
    assert {c.info.status for c in children} == {"FINISHED", "FAILED"}
    training = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    written = set(parent.data.params) | {
        "best_METRIC" if m.startswith("best_") else m for m in parent.data.metrics
    }
    written |= set(parent.data.tags)
    for child in children:
        assert set(child.data.params) == {
            "seed",
            *next(t.config for t in study.known if t.run_id == child.info.run_id),
        }
        own = {"best_METRIC" if m.startswith("best_") else m for m in child.data.metrics}
        written |= (own - training) | set(child.data.tags)
    written = {k for k in written if not k.startswith(OF_MLFLOW) or k == keys.NOTE}
    optional = {
        "mlflow_hpo.asked",
        "user_attrs.KEY",
        "mlflow_hpo.source",
        "mlflow_hpo.attempts",
        "mlflow_hpo.violations",
        "mlflow_hpo.wish.NAME",
        "mlflow_hpo.beat",  # of a study that is driven by a process of its own
        "mlflow_hpo.claim.NUMBER",
        "mlflow_hpo.process",  # of an extra run
        "mlflow_hpo.ended_itself",
        "mlflow_hpo.final",
        "mlflow_hpo.registered",
        "mlflow_hpo.loads",
        "machine.scikit-learn",
        "gpu_memory_mb",
        "machine.gpu",
        "machine.gpu_driver",
        "machine.gpu_device",
        "test_METRIC",
        "mlflow_hpo.test_digest",
        "mlflow_hpo.retrained",
        "mlflow_hpo.replayed",
        "mlflow_hpo.dropped",
    }
    own = {"study_run", "trial_run", "value", "values", "classes", "compared", "forced", "before.ALIAS"}
    versions = {f"mlflow_hpo.{name}" for name in own}
    assert written == documented() - optional - versions


def test_trials_read_back_as_they_were_written(start: Callable[..., Study], connection: Connection) -> None:
    store = start().run.trials
    config = {"a": 0.1 + 0.2, "b": True, "c": None, "d": "ü|'", "e": 10**12, "f": [8, "x"]}
    one = store.create(0, config, 7)
    other = store.create(1, {"a": 1e-300}, 8)
    rest = Result({METRIC: {3: 0.1}}, State.PAUSED, 1.25, 1.0, 10**9, None, "models:/m-1")
    one = store.record(one, rest)
    assert connection.client.get_run(one.run_id).info.status == "SCHEDULED"
    one = store.record(one, replace(rest, values={METRIC: {9: -1 / 3}}, state=State.FINISHED))
    copy = store.create(2, {}, 9, 3, 0)
    other = store.end(other, State.FAILED, "as\nasked", "Traceback: so it was")
    assert store.load() == [one, other, copy]
    assert (copy.start, copy.source) == (3, 0)
    assert one.losses == {3: -0.1, 9: 1 / 3}
    assert one.seconds == 2.5
    run = connection.client.get_run(one.run_id)
    assert run.data.params["b"] == "True"
    assert run.info.status == "FINISHED"


def test_a_trial_may_have_any_number_of_results(start: Callable[..., Study]) -> None:
    store = start().run.trials
    trial = store.create(0, {}, 7)
    values = {epoch: 1 / epoch for epoch in range(1, 1501)}
    trial = store.record(trial, Result({METRIC: values}, State.PAUSED, 1, 1, 1))
    trial = store.record(trial, Result({METRIC: {1501: 0.25}}, State.FINISHED, 1, 1, 1))
    [read] = store.load()
    assert read == trial
    assert read.losses == {epoch: -value for epoch, value in values.items()} | {1501: -0.25}


def test_a_study_of_another_version_of_the_format_is_refused_by_name(
    start: Callable[..., Study], connection: Connection
) -> None:
    run = start().run
    connection.client.set_tag(run.run_id, keys.STUDY, "1")
    trial = run.trials.create(0, {}, 7)
    for find, name in ((find_study, run.run_id), (find_trial, trial.run_id), (find_trial, f"{run.run_id}:0")):
        with pytest.raises(StudyError, match=f"study {run.run_id} is in version 1 of the format, and this"):
            find(connection, name)


def test_a_search_into_a_study_s_run_is_refused_if_its_code_asks_for_something_else_by_now(
    start: Callable[..., Study],
) -> None:
    study, planned = start({"max_trials": 2, "max_epochs": 3}), make_plan({"max_trials": 2, "max_epochs": 3})
    settings = planned.info.settings
    assert check_same(study.run, settings, planned) == study.info
    for change, words in (
        ({"commit": "abc"}, "commit '', and it"),
        ({"max_epochs": 9}, "max_epochs 3, and it"),
    ):
        other = replace(planned, info=replace(planned.info, **change))
        with pytest.raises(StudyError, match=f"began with {words} would be .* now: mlflow-hpo resume"):
            check_same(study.run, settings, other)


def test_a_driver_that_takes_over_finds_nothing_running(
    start: Callable[..., Study], connection: Connection
) -> None:
    store = start().run.trials
    cut = store.create(0, {}, 7)
    recorded = store.create(1, {}, 7)
    store.record(recorded, Result({METRIC: {2: 0.5}}, State.FINISHED, 1, 1, 1))
    connection.client.update_run(recorded.run_id, "RUNNING")  # as if killed before its status was written
    assert [t.state for t in store.adopt()] == [State.KILLED, State.FINISHED]
    assert connection.client.get_run(cut.run_id).info.status == "KILLED"
    assert connection.client.get_run(recorded.run_id).info.status == "FINISHED"


def test_more_trials_than_a_page_are_all_read(
    start: Callable[..., Study], monkeypatch: pytest.MonkeyPatch
) -> None:
    store = start().run.trials
    for number in range(7):
        store.create(number, {}, 0)
    monkeypatch.setattr("mlflow_hpo.store.connection.PAGE", 3)
    assert [t.number for t in store.load()] == list(range(7))


def test_a_tag_that_mlflow_would_cut_short_is_refused(start: Callable[..., Study]) -> None:
    study = start()
    with pytest.raises(StoreError, match=r"'mlflow_hpo.plan' has 9000 characters: MLflow keeps 8000"):
        study.run.connection.write(study.run.run_id, tags={keys.PLAN: "x" * 9000})


def test_a_study_is_found_by_id_and_by_name(start: Callable[..., Study], connection: Connection) -> None:
    run = start().run
    assert find_study(connection, run.run_id).run_id == run.run_id
    assert find_study(connection, run.name).run_id == run.run_id


def test_the_latest_study_is_the_newest(start: Callable[..., Study], connection: Connection) -> None:
    start()
    newest = start().run.run_id
    assert find_study(connection, "latest").run_id == newest


def test_what_is_no_study_is_named(connection: Connection, experiment: str) -> None:
    run = connection.client.create_run(experiment)
    with pytest.raises(StudyError, match=f"run '{run.info.run_id}' is no study"):
        find_study(connection, run.info.run_id)
    with pytest.raises(StudyError, match="no study 'nobody' in sqlite"):
        find_study(connection, "nobody")


def test_a_name_that_several_studies_have_is_named_with_their_ids(
    start: Callable[..., Study], connection: Connection
) -> None:
    for _ in range(2):
        connection.client.update_run(start().run.run_id, name="twins")
    with pytest.raises(StudyError, match="2 studies are named 'twins': give one run id of "):
        find_study(connection, "twins")


def test_the_settings_of_mlflow_run_are_not_logged_twice(connection: Connection, experiment: str) -> None:
    """`mlflow run` has logged its parameters as the strings it was given; another value would be refused."""
    made = connection.client.create_run(experiment)
    connection.client.log_param(made.info.run_id, "workers", "")
    run = StudyRun(connection, made)
    asked = {"workers": "auto", "seed": 3}
    run.begin(asked, make_info({}).record(), asked, "a: [1, 2]")
    params = connection.client.get_run(made.info.run_id).data.params
    assert params == {"workers": "", "seed": "3"}


def test_an_experiment_is_taken_from_mlflows_environment(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connection.experiment_id() == "0"
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "made on demand")
    made = connection.experiment_id()
    assert connection.experiment_id() == made
    assert connection.client.get_experiment(made).name == "made on demand"


def test_metrics_that_the_store_did_not_take_are_written_later(
    start: Callable[..., Study], connection: Connection, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HPO_PATIENCE", "0")
    study = start()
    trial = study.run.trials.create(0, {}, 0)
    with Recorder(connection, trial.run_id, study.run.experiment_id) as recorder:
        with sqlite3.connect(uri.removeprefix("sqlite:///"), isolation_level=None) as other:
            other.execute("BEGIN EXCLUSIVE")
            recorder.metrics({"loss": 0.5}, 1)
            with pytest.raises(StoreError, match="database is locked"):
                recorder.flush()
            other.execute("ROLLBACK")
        recorder.metrics({"loss": 0.25}, 2)
    history = connection.client.get_metric_history(trial.run_id, "loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.5), (2, 0.25)]


def test_an_artifact_folder_that_cannot_be_written_is_one_line_and_leaves_no_run_running(
    connection: Connection, uri: str
) -> None:
    connection.client.create_experiment("nowhere to write", "/dev/null/artifacts")
    said = one_line_error(hpo(uri, "search", MLFLOW_EXPERIMENT_NAME="nowhere to write"))
    assert "Not a directory" in said
    found = connection.client.get_experiment_by_name("nowhere to write")
    assert found is not None
    (run,) = connection.client.search_runs([found.experiment_id])
    assert run.info.status == "FAILED"


def test_a_database_whose_driver_is_not_installed_is_named() -> None:
    with pytest.raises(StoreError, match="'mysql://host/db' cannot be used: No module named"):
        Connection("mysql://host/db")


def test_what_is_no_model_of_its_flavor_is_the_users_fault_not_the_stores(
    start: Callable[..., Study], connection: Connection
) -> None:
    study = start()
    trial = study.run.trials.create(0, {"units": 8}, 7)
    with (
        Recorder(connection, trial.run_id, study.run.experiment_id) as recorder,
        pytest.raises(SetupError, match=r"mlflow\.pyfunc cannot save a dict: .*python_model"),
    ):
        recorder.model("pyfunc", {"weights": 1}, 1)


def test_a_relative_store_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Connection("sqlite:///own.db").uri == f"sqlite:///{tmp_path}/own.db"
    assert Connection("sqlite:///:memory:").uri == "sqlite:///:memory:"
