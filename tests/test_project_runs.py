"""Any project is tuned with no change to it: by `mlflow run --backend hpo`, the command line and Python."""

import subprocess
import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest
from conftest import hpo, run_command
from project_folders import (
    ELASTICNET,
    KERAS,
    SHELL,
    SPACE,
    budget_project,
    every_run,
    project,
    tune,
    tune_process,
)

from mlflow_hpo.api import tune_project
from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import State

pytestmark = pytest.mark.slow


def test_an_elasticnet_from_mlflow_run_to_a_registered_model(own_uri: str) -> None:
    config = {"space": SPACE, "metric": "rmse", "max_trials": 3, "register": "diabetes", "workers": 2}
    options = ("--env-manager", "local", "-P", "l1_ratio=0.2", "--run-name", "mine")
    done = tune_process(own_uri, str(ELASTICNET), config, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "registered trial" in done.stdout
    study, *trials = every_run(own_uri)
    assert study.info.run_name == "mine"
    assert study.data.tags["mlflow.source.type"] == "PROJECT"
    assert study.data.tags["mlflow.project.entryPoint"] == "main"
    assert study.data.tags["mlflow.project.backend"] == "hpo"
    assert [t.data.tags["mlflow.parentRunId"] for t in trials] == [study.info.run_id] * 3
    assert {t.data.params["l1_ratio"] for t in trials} == {"0.2"}
    assert set(trials[0].data.params) == {"alpha", "l1_ratio"}
    assert trials[0].data.params["alpha"] == "1.0"
    assert {r.info.status for r in (study, *trials)} == {"FINISHED"}
    assert study.data.metrics["best_rmse"] == min(t.data.metrics["rmse"] for t in trials)
    for trial in trials:
        assert trial.data.metrics["peak_memory_mb"] > 100
        assert trial.outputs is not None
        (model,) = trial.outputs.model_outputs
        assert trial.data.tags["mlflow_hpo.model"] == f"models:/{model.model_id}"
    mlflow.set_tracking_uri(own_uri)
    loaded = mlflow.pyfunc.load_model("models:/diabetes@champion")
    assert loaded.predict(np.zeros((2, 10))).shape == (2,)
    resumed_and_ranked(own_uri)


def resumed_and_ranked(uri: str) -> None:
    """`resume` and `report` work as on any other study, from another folder."""
    done = hpo(uri, "resume", "mine", "--max-trials", "4", "--register", "")
    assert done.returncode == 0, done.stderr
    done = hpo(uri, "report", "mine", "--format", "csv", "--register", "again")
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stdout.splitlines() if ",finished," in line]) == 4
    assert "registered trial" in done.stdout


def test_a_shell_script_whose_trial_fails_and_that_makes_runs_of_its_own(
    own_uri: str, tmp_path: Path
) -> None:
    folder = project(tmp_path / "shell", {"run.sh": SHELL})
    space = {"x": [0.1, 0.5]}
    config = {"space": space, "metric": "error", "max_trials": 2, "algorithm": "grid", "workers": 1}
    done = tune(own_uri, folder, config, "--env-manager", "local", "-e", "run.sh")
    assert done.returncode == 0, done.stdout + done.stderr
    study = find_study(Connection(own_uri), LATEST)
    good, bad = study.trials.load()
    assert (good.state, bad.state) == (State.FINISHED, State.FAILED)
    assert good.loss == pytest.approx(0.2)
    assert bad.reason == "its process ended with exit status 7: half is no good"
    runs = {r.info.run_name: r for r in every_run(own_uri)}
    failed = runs["trial-0001"]
    assert "half is no good" in failed.data.tags["mlflow.note.content"]
    assert Path(str(failed.info.artifact_uri), "output.txt").read_text() == "half is no good\n"
    inner = runs["inner"].data.tags
    assert inner["mlflow.parentRunId"] == good.run_id
    assert (inner["mlflow_hpo.study_run"], inner["mlflow_hpo.trial_run"]) == (study.run_id, good.run_id)
    assert inner["mlflow_hpo.trial"] == "0"


def test_a_keras_project_that_only_calls_autolog_by_the_command_line(own_uri: str, tmp_path: Path) -> None:
    folder = project(
        tmp_path / "net",
        {"train.py": KERAS},
        "units: {type: int, default: 4}",
        "python train.py --units {units}",
    )
    Path("space.yaml").write_text("units: {type: int, low: 2, high: 8}")
    options = ("--project", folder, "--env-manager", "local", "--space", "space.yaml", "--metric", "loss")
    done = hpo(
        own_uri, "search", *options, "--max-trials", "1", "--max-epochs", "2", MLFLOW_EXPERIMENT_NAME="job"
    )
    assert done.returncode == 0, done.stderr
    trials = find_study(Connection(own_uri), LATEST).trials.load()
    assert [(t.state, t.epochs) for t in trials] == [(State.FINISHED, 2)]
    assert len(every_run(own_uri)) == 2
    done = hpo(own_uri, "report", "--register", "net", "--top-k", "1")
    assert done.returncode == 0, done.stderr
    mlflow.set_tracking_uri(own_uri)
    loaded = mlflow.pyfunc.load_model("models:/net@champion")
    assert loaded.predict(np.zeros((2, 3), "float32")).shape == (2, 1)


def test_a_folder_without_mlproject_from_python(
    own_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = "import sys, mlflow\nmlflow.log_metric('score', float(sys.argv[sys.argv.index('--x') + 1]))"
    folder = project(tmp_path / "bare", {"it.py": script})
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "job")
    mlflow.set_tracking_uri(own_uri)
    found = tune_project(
        folder,
        {"x": [1, 2]},
        "score",
        entry_point="it.py",
        parameters={"other": "a b"},
        env_manager="local",
        max_trials=3,
        algorithm="grid",
        progress=False,
    )
    assert (found.best_config, found.best_value) == ({"x": 2}, 2.0)
    assert every_run(own_uri)[1].data.params == {"x": "1", "other": "a b"}


def test_a_sub_folder_of_a_git_repository(own_uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "repository"
    script = "import sys, mlflow\nmlflow.log_metric('loss', float(sys.argv[1]))"
    project(folder / "below", {"it.py": script}, "x: {type: float, default: 2}", "python it.py {x}")
    git = ["git", "-c", "user.name=a", "-c", "user.email=b", "-c", "init.defaultBranch=main"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], cwd=folder, check=True)
    config = {"space": {"x": [0.5, 1.5]}, "metric": "loss", "max_trials": 2}
    done = tune(own_uri, f"file://{folder}#below", config, "--env-manager", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, check=True
    )
    study, *trials = every_run(own_uri)
    assert study.data.tags["mlflow.source.git.commit"] == head.stdout.strip()
    assert "study " in done.stdout
    assert "of below," in done.stdout
    assert len(trials) == 2


def test_an_environment_from_conda_yaml_is_built_once_by_uv(own_uri: str, tmp_path: Path) -> None:
    packages = "[mlflow-skinny, sqlalchemy, alembic]"
    conda = f"channels: [conda-forge]\ndependencies:\n- python=3.11\n- pip\n- pip: {packages}\n"
    script = "import sys, mlflow\nmlflow.log_metric('loss', 1)\nmlflow.log_param('prefix', sys.prefix)"
    folder = project(
        tmp_path / "built",
        {"it.py": script, "conda.yaml": conda},
        "x: {type: float, default: 2}",
        "python it.py {x}",
        "conda_env: conda.yaml",
    )
    config = {"space": {"x": [0.5, 1.5]}, "metric": "loss", "max_trials": 2, "workers": 1}
    done = tune(own_uri, folder, config, "--env-manager", "uv")
    assert done.returncode == 0, done.stdout + done.stderr
    (prefix,) = {t.data.params["prefix"] for t in every_run(own_uri)[1:]}
    assert prefix != sys.prefix
    assert (done.stdout + done.stderr).count("Creating a new environment") <= 1


def test_mlflow_run_without_the_backend_is_untouched(own_uri: str) -> None:
    command = [sys.executable, "-m", "mlflow", "run", str(ELASTICNET), "--env-manager", "local"]
    done = run_command([*command, "--experiment-name", "job", "-P", "alpha=0.1"], own_uri, Path.cwd())
    assert done.returncode == 0, done.stderr
    (run,) = every_run(own_uri)
    assert not [key for key in run.data.tags if key.startswith("mlflow_hpo")]
    assert "rmse" in run.data.metrics


def test_a_project_whose_epochs_are_searched_and_a_trial_of_which_is_trained_again(
    own_uri: str, tmp_path: Path
) -> None:
    """It is the project's own affair for how many it trains; each run of it is one step of ours."""
    config = {
        "space": {"rate": [0.5, 1.0], "epochs": [3, 8]},
        "metric": "accuracy",
        "max_trials": 5,
        "algorithm": "grid",
        "workers": 2,
    }
    done = tune(own_uri, budget_project(tmp_path), config, "--env-manager", "local")
    assert done.returncode == 0, done.stdout + done.stderr
    study = find_study(Connection(own_uri), LATEST)
    found = {(t.config["rate"], t.config["epochs"]): t.loss for t in study.trials.load()}
    known = [(0.5, 4), *((r, e) for r in (0.5, 1.0) for e in (3, 8))]  # the project's defaults, and the grid
    assert found == {(r, e): pytest.approx(-r * e / 100) for r, e in known}
    done = hpo(own_uri, "replay", "latest:1")
    assert done.returncode == 0, done.stderr
    assert "accuracy agrees exactly" in done.stdout
