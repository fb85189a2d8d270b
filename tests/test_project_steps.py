"""A project's trials are ended at steps, or run with budgets, without the project's help."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from conftest import environment, hpo
from mlflow.entities import Run
from project_folders import budget_project, project, runs, steps_project, wait_until

from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.trial import State, Trial

pytestmark = pytest.mark.slow
SEARCH = ("search", "--env-manager", "local", "--workers", "1", "--algorithm", "random")


def trials(uri: str) -> list[Trial]:
    return find_study(Connection(uri), LATEST).trials.load()


def run_of(uri: str, trial: Trial) -> Run:
    return Connection(uri).client.get_run(trial.run_id)


def search(uri: str, folder: str, space: str, *options: str) -> subprocess.CompletedProcess[str]:
    Path("space.yaml").write_text(space)
    given = ("--project", folder, "--space", "space.yaml", *options)
    return hpo(uri, *SEARCH, *given, MLFLOW_EXPERIMENT_NAME="job")


def has_logged(uri: str) -> bool:
    """Whether a trial that runs has come to its first steps."""
    runs = Connection(uri).client.search_runs(["1"], "attributes.status = 'RUNNING'")
    return any("loss" in run.data.metrics for run in runs)


def children(folder: str) -> list[int]:
    return [int(line) for line in (Path(folder) / "processes").read_text().split()]


def test_a_trial_that_falls_behind_is_ended_with_its_whole_group(own_uri: str, tmp_path: Path) -> None:
    folder = steps_project(tmp_path)
    Path("first.yaml").write_text("- {level: 5}\n- {level: 0.5}\n")
    done = search(
        own_uri,
        folder,
        "level: [1.0, 5, 0.5]",
        *("--metric", "loss", "--scheduler", "asha", "--eta", "2", "--max-epochs", "8"),
        *("--max-trials", "3", "--start-from", "first.yaml"),
    )
    assert done.returncode == 0, done.stderr
    first, behind, better = trials(own_uri)
    assert (first.epochs, better.epochs) == (8, 8)
    assert behind.epochs < 8
    assert behind.reason == f"at step {behind.epochs} of 8"
    assert (behind.state, behind.ended_itself) == (State.STOPPED, False)
    assert first.losses == pytest.approx({1: 1.1, 2: 1.05, 4: 1.025, 8: 1 + 1 / 80})
    run = run_of(own_uri, behind)
    assert run.info.status == "FINISHED"
    assert len(Connection(own_uri).client.get_metric_history(run.info.run_id, "loss")) < 8
    assert len(children(folder)) == 3
    assert not any(runs(child) for child in children(folder))


def test_a_trial_without_patience_left_ends_by_itself(own_uri: str, tmp_path: Path) -> None:
    text = "import sys, time, mlflow\n"
    text += "for i in range(8): mlflow.log_metric('loss', float(sys.argv[2])); time.sleep(0.5)"
    folder = project(tmp_path / "flat", {"flat.py": text})
    options = ("-e", "flat.py", "--metric", "loss", "--max-epochs", "8", "--early-stopping", "2")
    done = search(own_uri, folder, "level: [5]", *options, "--max-trials", "1")
    assert done.returncode == 0, done.stderr
    (trial,) = trials(own_uri)
    assert "no better loss for 2 epochs" in trial.reason
    assert trial.epochs == 3


def test_a_budget_is_a_run_of_its_own_for_each_rung(own_uri: str, tmp_path: Path) -> None:
    folder = budget_project(tmp_path)
    options = ("--resource", "epochs", "--scheduler", "halving", "--eta", "2", "--min-epochs", "2")
    done = search(
        own_uri,
        folder,
        "rate: {type: float, low: 0.1, high: 0.4}",
        *("--metric", "accuracy", "--at", "best", "--max-trials", "2", *options),
    )
    assert done.returncode == 0, done.stderr
    both = trials(own_uri)
    assert sorted(t.epochs for t in both) == [2, 4]
    winner, rate = both[0], 0.5  # the baseline
    assert winner.losses == pytest.approx({2: -rate * 2 / 100, 4: -rate * 4 / 100})
    client = Connection(own_uri).client
    nested = client.search_runs(["1"], f"tags.`mlflow.parentRunId` = '{winner.run_id}'")
    assert {r.info.run_name: r.data.params["epochs"] for r in nested} == {
        "epochs-00002": "2",
        "epochs-00004": "4",
    }
    assert {r.info.status for r in nested} == {"FINISHED"}
    history = client.get_metric_history(winner.run_id, "accuracy")
    assert sorted(m.step for m in history) == [2, 4]
    assert run_of(own_uri, winner).data.params == {"rate": str(rate)}


def test_an_interrupt_leaves_no_process_and_a_resume_goes_on(own_uri: str, tmp_path: Path) -> None:
    folder = steps_project(tmp_path)
    config = {"space": {"level": [5.0, 6.0]}, "metric": "loss", "max_trials": 2, "workers": 1}
    command = [sys.executable, "-m", "mlflow", "run", folder, "--backend", "hpo", "--env-manager", "local"]
    command += ["--backend-config", json.dumps(config), "--experiment-name", "job"]
    driver = subprocess.Popen(
        command, env=environment(own_uri), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    wait_until(lambda: has_logged(own_uri))
    os.kill(driver.pid, signal.SIGINT)
    said, _ = driver.communicate(timeout=60)
    assert driver.returncode == 1
    assert "interrupted by SIGINT; go on with: mlflow-hpo resume" in said
    assert "Traceback" not in said
    wait_until(lambda: not any(runs(child) for child in children(folder)))
    assert not [p for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])]
    *ended, cut = trials(own_uri)  # the first may have ended just before
    assert cut.state is State.KILLED
    assert all(trial.state is State.FINISHED for trial in ended)
    done = hpo(own_uri, "resume", LATEST)
    assert done.returncode == 0, done.stderr
    assert [t.state for t in trials(own_uri)] == [State.FINISHED] * 2
    assert find_study(Connection(own_uri), LATEST).is_over


def test_a_trial_past_its_time_fails_with_its_output(own_uri: str, tmp_path: Path) -> None:
    folder = project(tmp_path / "long", {"long.sh": "echo begun; sleep 600"})
    options = ("-e", "long.sh", "--metric", "loss", "--trial-timeout", "2", "--max-trials", "1")
    done = search(own_uri, folder, "level: [5, 6]", *options)
    assert "took longer than the trial_timeout of 2 s" in done.stderr
    (trial,) = trials(own_uri)
    assert trial.state is State.FAILED
    text = Path(str(run_of(own_uri, trial).info.artifact_uri), "output.txt").read_text()
    assert text == "begun\n"
