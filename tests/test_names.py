"""What MLflow does not take as a name, or not as long as it is, is kept all the same and reads back whole."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
from conftest import Recording, hpo
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException
from mlflow.utils.validation import _validate_metric_name, _validate_param_name

import mlflow_hpo
from mlflow_hpo.store import Connection, Recorder, keys
from mlflow_hpo.store.history import learning_curve
from mlflow_hpo.store.names import Names, legal
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import Result, State

REFUSED = [
    "recall@5",
    "a//b",
    "../x",
    "/a",
    "a/",
    ".",
    "..",
    "",
    "a\nb",
    "a\x00b",
    "a%",
    "x" * 251,
    "a=b",
    "a\u2028",
]
LONG = "é" * 5999


def takes(name: str) -> bool:
    """Whether MLflow itself takes a name."""
    try:
        _validate_metric_name(name)
        _validate_param_name(name)
    except MlflowException:
        return False
    return len(name) <= 250


@pytest.mark.parametrize("name", REFUSED)
def test_mlflow_refuses_these(name: str) -> None:
    assert not takes(name)


@given(st.text())
@example("a/ ")
@example("x" * 240 + "/" + "y" * 20)
@example("..a")
@example("\ud800")
def test_every_name_has_one_that_mlflow_takes(name: str) -> None:
    assert takes(legal(name))
    assert legal(legal(name)) == legal(name)


@given(st.lists(st.text(alphabet="a@_t/. \n", max_size=8), unique=True))
def test_no_two_names_of_a_run_become_one(names: list[str]) -> None:
    given_names = Names().of(names)
    assert len(set(given_names.values())) == len(names)
    assert all(takes(short) for short in given_names.values())
    assert all(given_names[name] == name for name in names if legal(name) == name)


def test_the_first_names_stay_when_others_come() -> None:
    names = Names()
    first = names.of(["recall@5"])
    assert first == {"recall@5": "recall_at_5"}
    both = names.of(["recall_at_5", "recall@5"])
    assert both["recall@5"] == "recall_at_5"
    assert both["recall_at_5"].startswith("recall_at_5_")


@pytest.fixture
def run_id(connection: Connection, experiment: str) -> str:
    return str(connection.client.create_run(experiment).info.run_id)


def test_a_real_store_keeps_metrics_and_params_of_any_name(
    connection: Connection, experiment: str, run_id: str
) -> None:
    names = [*REFUSED, "loss", "a b", "é", "a ", "b", "b "]
    with Recorder(connection, run_id, experiment) as recorder:
        recorder.metrics({name: float(i) for i, name in enumerate(names)}, 1)
    connection.write(run_id, params={name: i for i, name in enumerate(names)})
    data = connection.client.get_run(run_id).data
    logged = recorder.names.given
    assert data.metrics == {logged[name]: float(i) for i, name in enumerate(names)}
    assert data.params == {logged[name]: str(i) for i, name in enumerate(names)}
    assert {"loss", "a b", "é", "b", "recall_at_5"} <= set(data.metrics)


def test_a_config_reads_back_whole_however_long_its_values(
    start: Callable[..., Study], connection: Connection
) -> None:
    store = start().run.trials
    config = {"a@1": LONG, "b": [LONG, '"\\' * 2500], "c": 1}
    trial = store.end(store.create(0, config, 7), State.FAILED, "x" * 9000, "T" * 9000)
    [read] = store.load()
    assert read.config == config
    params = connection.client.get_run(trial.run_id).data.params
    assert params["a_at_1"] == LONG
    assert len(params["b"]) == 6000
    assert params["b"].endswith("…")
    restarted = store.restart(read, 7)  # the params are written once more
    assert restarted.state is State.RUNNING


def test_a_long_note_or_reason_is_shortened(start: Callable[..., Study], connection: Connection) -> None:
    study = start()
    study.run.show_best("val@1", {1: 0.5}, "n" * 9000)
    tags = connection.client.get_run(study.run.run_id).data
    assert len(tags.tags[keys.NOTE]) == 5000
    assert tags.metrics["best_val_at_1"] == 0.5
    store = study.run.trials
    result = Result({"val_accuracy": {1: 0.5}}, State.STOPPED, 1, 1, 1, reason="r" * 9000)
    store.record(store.create(0, {}, 7), result)
    assert len(store.load()[0].reason) == 2000


OBJECTIVE = """
def objective(trial):
    for epoch in (1, 2):
        trial.report(epoch, {"recall@5": trial.config["lr@1"] / epoch, "a//b": 1.0, "fine": 2.0})
"""
SPACE = "lr@1: [1, 2, 3]"


@pytest.fixture
def study(start: Callable[..., Study], tmp_path: Path) -> Study:
    (tmp_path / "own.py").write_text(OBJECTIVE)
    options = {"model": f"{tmp_path}/own.py:objective", "metric": "recall@5", "direction": "maximize"}
    return start({**options, "max_epochs": 2, "algorithm": "grid"}, SPACE, Recording())


def test_a_study_may_optimise_a_metric_with_such_a_name(
    study: Study, again: Callable[..., Study], connection: Connection
) -> None:
    study.drive()
    best = max(study.known, key=lambda t: t.config["lr@1"])
    assert best.losses == {2: -1.5}
    run = connection.client.get_run(best.run_id)
    assert {"recall_at_5", "a/b", "fine"} <= set(run.data.metrics)
    assert run.data.params["lr_at_1"] == "3"
    assert learning_curve(study.run, best, "recall@5") == ((1, 3.0), (2, 1.5))
    more = again(study, max_trials="all")
    more.drive()
    assert [t.losses for t in more.known[:3]] == [t.losses for t in study.known]


def test_it_is_said_once_which_names_are_others(study: Study) -> None:
    observer = study._observer
    study.drive()
    assert isinstance(observer, Recording)
    others = "names that MLflow does not take are logged under others"
    assert observer.lines == [
        f"hyperparameter {others}: 'lr@1' as 'lr_at_1'",
        f"metric {others}: 'recall@5' as 'recall_at_5', 'a//b' as 'a/b'",
    ]


def test_report_and_page_know_it_by_its_own_name(own_uri: str, tmp_path: Path) -> None:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_uri)
    try:
        found = mlflow_hpo.tune(
            objective,
            {"text@": [LONG, "b"]},
            max_trials=2,
            workers=0,
            metric="recall@5",
            direction="maximize",
            progress=False,
            algorithm="grid",
        )
    finally:
        mlflow.set_tracking_uri(before)
    assert found.best_config == {"text@": LONG}
    listed = json.loads(hpo(own_uri, "report", found.run_id, "--format", "json").stdout)
    assert listed[0]["recall@5"] == 5999.0
    assert "recall@5" in hpo(own_uri, "report", found.run_id, "--sort", "recall@5").stdout
    page = tmp_path / "page.html"
    done = hpo(own_uri, "report", found.run_id, "--html", str(page))
    assert done.returncode == 0, done.stderr
    assert "recall@5" in page.read_text()


def objective(config: dict[str, Any]) -> dict[str, float]:
    return {"recall@5": float(len(config["text@"])), "loss": 1.0}
