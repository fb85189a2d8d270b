"""A loop of one's own asks a study for configs and tells it the results."""

import math
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mlflow
import pytest
from conftest import hpo, one_line_error
from sklearn.linear_model import Ridge

from mlflow_hpo import open_study, tune
from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.store import Connection
from mlflow_hpo.trial import State

SPACE = {"x": {"type": "float", "low": -5, "high": 5}, "kind": ["a", "b"]}
QUIET: dict[str, Any] = {"progress": False}


def test_a_loop_is_a_study_like_any_other(job_uri: str) -> None:
    with open_study(SPACE, algorithm="gp", **QUIET) as study:
        for _ in range(12):
            trial = study.ask()
            assert trial is not None
            study.tell(trial, (trial.config["x"] - 1) ** 2)
    assert [t.state for t in study.trials] == [State.FINISHED] * 12
    assert abs(study.best_config["x"] - 1) < 0.5
    assert study.best_value == min((t.config["x"] - 1) ** 2 for t in study.trials)
    run = mlflow.get_run(study.trials[3].run_id)
    assert run.data.metrics["loss"] == (float(run.data.params["x"]) - 1) ** 2
    assert mlflow.get_run(study.run_id).info.status == "FINISHED"
    ranked = hpo(job_uri, "report", study.run_id, "--format", "csv")
    assert len(ranked.stdout.splitlines()) == 13
    assert "report.html" in [file.path for file in Connection(job_uri).client.list_artifacts(study.run_id)]


def test_its_proposals_are_those_of_tune(job_uri: str) -> None:
    def objective(config: Any) -> float:
        return float(config["x"])

    whole = tune(objective, {"x": SPACE["x"]}, max_trials=6, workers=0, seed=3, algorithm="tpe", **QUIET)
    with open_study({"x": SPACE["x"]}, seed=3, algorithm="tpe", **QUIET) as study:
        for _ in range(6):
            trial = study.ask()
            assert trial is not None
            study.tell(trial, {"loss": trial.config["x"], "more": 1})
    assert [t.config for t in study.trials] == [t.config for t in whole.trials]


def test_a_model_that_the_loop_logs_on_the_run_can_be_registered(job_uri: str) -> None:
    with open_study({"alpha": [0.1, 1.0]}, "val_r2", algorithm="grid", **QUIET) as study:
        while trial := study.ask():
            with mlflow.start_run(run_id=trial.run_id):
                mlflow.sklearn.log_model(Ridge(**trial.config).fit([[0.0], [1.0]], [0, 1]), name="model")
            study.tell(trial, trial.config["alpha"])
    done = hpo(job_uri, "report", study.run_id, "--register", "ridge")
    assert done.returncode == 0, done.stderr
    model = mlflow.sklearn.load_model("models:/ridge@champion")
    assert model.alpha == 1.0


def test_threads_share_it_and_several_metrics_are_told(job_uri: str) -> None:
    metric, bounds = ["loss", "lag:minimize"], "size <= 3"
    with open_study(SPACE, metric, constraints=bounds, algorithm="random", max_trials=9, **QUIET) as study:

        def work(_: int) -> None:
            while trial := study.ask():
                x = trial.config["x"]
                study.tell(trial, {"loss": x, "lag": -x, "size": x})

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, range(3)))
    assert [t.number for t in study.trials] == list(range(9))
    assert len({t.config["x"] for t in study.trials}) == 9
    assert {t.number for t in study.front} == {t.number for t in study.trials if t.config["x"] <= 3}


def test_what_is_told_wrongly_is_refused_and_what_failed_is_a_failed_trial(job_uri: str) -> None:
    with open_study(SPACE, algorithm="random", **QUIET) as study:
        first, second, third = study.ask(), study.ask(), study.ask()
        assert first
        assert second
        assert third
        for wrong, words in (("much", "'much', no number"), ({"acc": 1}, "metric 'loss' is missing")):
            with pytest.raises(ConfigError, match=words):
                study.tell(first, wrong)
        study.tell(first, 1)
        with pytest.raises(StudyError, match="trial 0 is not open"):
            study.tell(first, 2)
        study.tell(second, failed="it burnt")
        study.tell(third, math.nan)
    assert [t.state for t in study.trials] == [State.FINISHED, State.FAILED, State.FAILED]
    assert [t.reason for t in study.trials[1:]] == ["it burnt", "loss became nan"]
    Path("space.yaml").write_text("x: [1, 2]")
    with open_study("space.yaml", max_trials=1, **QUIET) as study:
        only = study.ask()
        assert only
        study.tell(only, 1)
        assert study.ask() is None
    with open_study({"x": [1, 2]}, target=0.5, **QUIET) as study:
        first = study.ask()
        assert first
        study.tell(first, 0.4)
        assert study.ask() is None, "the target is reached"
        assert "loop, which decides itself" in one_line_error(
            hpo(job_uri, "trial", "stop", study.run_id, "0")
        )
    with pytest.raises(
        ConfigError, match="trial-timeout: a loop of your own, which trains by itself, has no"
    ):
        open_study({"x": [1, 2]}, trial_timeout=3, **QUIET)
    with pytest.raises(ConfigError, match="space: a loop of your own brings none"):
        open_study(**QUIET)


LOOP = """
import os, signal, mlflow_hpo
study = mlflow_hpo.open_study({"x": [1, 2, 3, 4, 5, 6]}, algorithm="random", progress=False)
for number in range(3):
    trial = study.ask()
    if number < 2:
        study.tell(trial, trial.config["x"])
print(study.run_id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_loop_that_was_killed_goes_on_with_what_it_never_told_of(job_uri: str, tmp_path: Path) -> None:
    (tmp_path / "loop.py").write_text(LOOP)
    environment = os.environ | {"MLFLOW_TRACKING_URI": job_uri}
    done = subprocess.run(
        [sys.executable, "loop.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    run_id = done.stdout.strip()
    with open_study(resume=run_id, **QUIET) as study:
        again, new = study.ask(), study.ask()
        assert again
        assert new
        assert (again.number, new.number) == (2, 3)
        study.tell(again, 1)
        study.tell(new, 2)
    assert [t.state for t in study.trials] == [State.FINISHED] * 4
    line = one_line_error(hpo(job_uri, "resume", run_id, "--max-trials", "5"))
    assert line.endswith(f"go on with it there, by mlflow_hpo.open_study(resume={run_id!r})")
