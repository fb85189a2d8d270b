"""A study that Python began goes on from the command line: its code is kept, data if that is asked."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from conftest import hpo, one_line_error
from sklearn.metrics import fbeta_score, make_scorer
from sklearn.tree import DecisionTreeClassifier

import mlflow_hpo
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.store import Connection, find_study

X = np.random.default_rng(0).normal(size=(120, 3))
Y = (X[:, 0] > 0).astype(int)
SPACE = {"depth": [1, 2, 3, 4]}


pytestmark = pytest.mark.usefixtures("store")


def tree(depth: int = 3) -> Any:
    return DecisionTreeClassifier(max_depth=depth)


def tuned(data: Any, **settings: Any) -> Any:
    given = {"max_trials": 2, "workers": 1, "top_k": 1, **settings}
    return mlflow_hpo.tune(tree, SPACE, data, progress=False, **given)


def kept(store: str, run_id: str) -> list[str]:
    """The digests of what Python gave and the study keeps."""
    client = Connection(store).client
    return [file.path.removeprefix("given/") for file in client.list_artifacts(run_id, "given")]


def test_code_is_kept_so_that_a_command_resumes_registers_and_replays(store: str) -> None:
    study = tuned("digits")
    assert len(kept(store, study.run_id)) == 1
    done = hpo(store, "resume", study.run_id, "--max-trials", "3")
    assert done.returncode == 0, done.stderr
    assert "resumed: 2 trials have results already" in done.stdout
    done = hpo(store, "report", study.run_id, "--register", "tree")
    assert "registered trial" in done.stdout, done.stderr
    done = hpo(store, "replay", f"{study.run_id}:1")
    assert "val_accuracy agrees exactly" in done.stdout, done.stderr


def test_a_scorer_is_kept_with_the_study_and_names_its_metric(store: str) -> None:
    words = np.where(Y, "yes", "no")
    scorer = make_scorer(
        lambda y, answers: float(np.sum((y == "yes") & (answers == "no"))), greater_is_better=False
    )
    assert tuned((X, words), metric=scorer).best_trial.results.keys() == {"val_score"}
    study = tuned((X, words), metric=make_scorer(fbeta_score, beta=2), keep_data=True)
    assert len(kept(store, study.run_id)) == 3
    assert 0 < study.best_value <= 1
    done = hpo(store, "resume", study.run_id, "--max-trials", "3")
    assert done.returncode == 0, done.stderr
    done = hpo(store, "replay", f"{study.run_id}:2")
    assert "val_fbeta_score agrees exactly" in done.stdout, done.stderr


def test_data_are_somebodys_and_kept_only_if_that_is_asked(store: str) -> None:
    private, shared = tuned((X, Y)), tuned((X, Y), keep_data=True)
    assert (len(kept(store, private.run_id)), len(kept(store, shared.run_id))) == (1, 2)
    refused = one_line_error(hpo(store, "resume", private.run_id, "--max-trials", "3"))
    assert "was begun with data from Python, which are to be given again: mlflow_hpo.tune(" in refused
    done = hpo(store, "resume", shared.run_id, "--max-trials", "3")
    assert done.returncode == 0, done.stderr
    assert len(find_study(Connection(store), shared.run_id).trials.load()) == 3


def test_people_are_told_that_data_are_from_python(store: str) -> None:
    run = mlflow.get_run(tuned((X, Y), max_trials=1).run_id)
    [trial] = mlflow.search_runs([run.info.experiment_id], "params.depth != ''", output_format="list")
    assert run.data.params["data"] == "data from Python"
    assert trial.inputs
    assert [each.dataset.name for each in trial.inputs.dataset_inputs] == ["data from Python"]
    shown = (
        hpo(store, "report", run.info.run_id, "--html", "page.html").stdout + Path("page.html").read_text()
    )
    notes = [each.data.tags.get("mlflow.note.content", "") for each in (run, trial)]
    assert not any("given:" in text for text in (shown, *notes, *run.data.params.values()))
    with pytest.raises(DataError, match=r"data from Python gave a ndarray: expected \(x, y\)"):
        tuned(X)


def test_python_goes_on_with_the_same_data_and_with_no_other() -> None:
    study = tuned((X, Y))
    assert len(tuned((X.copy(), Y.copy()), resume=study.run_id, max_trials=3).trials) == 3
    with pytest.raises(ConfigError, match=r"data: the study began with other data: their digest was \w+, it"):
        tuned((X + 1, Y), resume=study.run_id, max_trials=4)


def test_code_that_a_resume_brings_is_kept_and_files_that_are_gone_are_not_missed(store: str) -> None:
    def objective(factor: float) -> Callable[[dict[str, Any]], float]:
        return lambda config: factor * float(config["depth"])

    first = Path("first.yaml")
    first.write_text("- depth: 4\n")
    options: dict[str, Any] = {"workers": 0, "progress": False}
    study = mlflow_hpo.tune(objective(1), SPACE, start_from=str(first), max_trials=2, **options)
    first.unlink()
    mlflow_hpo.tune(objective(2), SPACE, resume=study.run_id, max_trials=3, **options)
    assert len(kept(store, study.run_id)) == 2
    done = hpo(store, "resume", study.run_id, "--max-trials", "4")
    assert done.returncode == 0, done.stderr
    done = hpo(store, "replay", f"{study.run_id}:3")
    assert "loss agrees exactly" in done.stdout, done.stderr


def test_a_run_of_the_users_goes_on_around_a_study_without_workers() -> None:
    def objective(config: dict[str, Any]) -> float:
        mlflow.log_metric("mine", config["depth"])
        return float(config["depth"])

    with mlflow.start_run() as outer:
        study = mlflow_hpo.tune(objective, SPACE, max_trials=2, workers=0, progress=False)
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == outer.info.run_id
        mlflow.log_metric("after", 1)
    client = mlflow.MlflowClient()
    assert client.get_run(outer.info.run_id).data.metrics == {"after": 1}
    for trial in study.trials:
        run = client.get_run(trial.run_id)
        assert run.data.metrics["mine"] == trial.config["depth"]
        assert run.info.status == "FINISHED"


def test_with_no_workers_the_objective_runs_in_this_very_process() -> None:
    file = Path("pids")
    mlflow_hpo.tune(
        lambda config: float(file.write_text(str(os.getpid())) and config["depth"]),
        SPACE,
        progress=False,
        workers=0,
        max_trials=1,
    )
    assert file.read_text() == str(os.getpid())
