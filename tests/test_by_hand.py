"""Somebody adds, stops and fails trials of a study that another process runs."""

import json
import sys
from functools import partial
from pathlib import Path

import pytest
from conftest import hpo, one_line_error
from drivers import begun, running_after, study_in, wait_until

from mlflow_hpo import tune
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.trial import State, Trial

OBJECTIVE = """
import time
def objective(trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep(0.1 if trial.config["x"] < 50 else 1)
        if not trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch}):
            return
"""


def trials_of(uri: str) -> dict[int, Trial]:
    return {trial.number: trial for trial in study_in(uri).trials.load()}


def has_begun(uri: str, number: int) -> bool:
    return number in trials_of(uri)


def is_over(uri: str, number: int) -> bool:
    return trials_of(uri)[number].is_over


def test_trials_are_added_stopped_and_failed_while_a_study_runs(job_uri: str, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OBJECTIVE)
    (tmp_path / "space.yaml").write_text("x: {type: int, low: 0, high: 99}\nkind: [a, b]")
    (tmp_path / "first.yaml").write_text("- {x: 98}\n- {x: 99}\n")
    own = [f"--model={tmp_path}/own.py:objective", f"--space={tmp_path}/space.yaml", "--workers=1"]
    own += ["--max-epochs=12", "--max-trials=5", "--algorithm=random", f"--start-from={tmp_path}/first.yaml"]
    with begun([sys.executable, "-m", "mlflow_hpo", "search", *own, "--scheduler=asha"], job_uri) as driver:
        wait_until(running_after(job_uri, 0))
        run_id = study_in(job_uri).run_id
        added = hpo(job_uri, "trial", "add", run_id, "x=7", "kind=b")
        assert added.stdout.endswith("{'x': 7, 'kind': 'b'} is tried next within seconds\n"), added.stderr
        for number, what in ((1, "stop"), (2, "fail")):
            wait_until(partial(has_begun, job_uri, number))
            done = hpo(job_uri, "trial", what, run_id, str(number), "--reason", "as I say")
            assert done.returncode == 0, done.stderr
            wait_until(partial(is_over, job_uri, number))
        driver.wait(240)
    trials = trials_of(job_uri)
    stopped, failed, third = trials[1], trials[2], trials[3]
    assert stopped.reason.startswith("stopped by hand")
    assert stopped.reason.endswith(": as I say")
    assert stopped.state is (State.FINISHED if stopped.losses else State.FAILED)
    assert (failed.state, failed.reason[:24]) == (State.FAILED, "taken for failed by hand")
    assert third.config == {"x": 7, "kind": "b"}
    tags = Connection(job_uri).client.get_run(run_id).data.tags
    assert not [key for key in tags if ".wish." in key]
    for arguments, words in (
        (("add", run_id, "x=8"), "has begun all its 5 trials: resume it with --max-trials 6"),
        (("stop", run_id, "0"), "trial 0 of study"),
        (("stop", run_id, "9"), "has no trial 9"),
        (("add", run_id, "x"), "has begun all"),
    ):
        assert words in one_line_error(hpo(job_uri, "trial", *arguments))


def test_a_trial_that_runs_keeps_what_it_logged_and_what_is_left_out_is_the_baselines(
    job_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OBJECTIVE)
    (tmp_path / "space.yaml").write_text("x: {type: int, low: 60, high: 99}\nkind: [a, b, c]")
    own = [f"--model={tmp_path}/own.py:objective", f"--space={tmp_path}/space.yaml", "--workers=1"]
    own += ["--max-epochs=90", "--max-trials=2", "--algorithm=random"]
    with begun([sys.executable, "-m", "mlflow_hpo", "search", *own], job_uri):
        wait_until(running_after(job_uri, 0))
        study, client = study_in(job_uri), Connection(job_uri).client
        baseline = trials_of(job_uri)[0]
        wait_until(lambda: len(client.get_metric_history(baseline.run_id, "loss")) > 1)
        assert hpo(job_uri, "trial", "add", study.run_id, "kind=c").returncode == 0
        assert hpo(job_uri, "trial", "stop", study.run_id, "0").returncode == 0
        wait_until(partial(is_over, job_uri, 0))
        wait_until(partial(has_begun, job_uri, 1))
    stopped, added = trials_of(job_uri)[0], trials_of(job_uri)[1]
    assert stopped.state is State.FINISHED
    assert stopped.loss == baseline.config["x"] + 1 / stopped.epochs
    assert stopped.reason == f"stopped by hand at epoch {stopped.epochs} of 90"
    assert added.config == {**baseline.config, "kind": "c"}


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("x", "'x' is no NAME=VALUE"),
        ("y=1", "'y' is not in the space"),
        ("x=500", "x"),
        ("x=[", "'x=[' is no NAME"),
    ],
)
def test_what_cannot_be_tried_is_refused_at_once(job_uri: str, tmp_path: Path, pair: str, words: str) -> None:
    study = tune(
        lambda config: config["x"], {"x": {"type": "int", "low": 0, "high": 99}}, max_trials=1, workers=0
    )
    study._run._tag({keys.PLAN: json.dumps(study._run.plan | {"max_trials": 2})})
    assert words in one_line_error(hpo(job_uri, "trial", "add", study.run_id, pair))
