"""Somebody adds, stops and fails trials of a study that another process runs."""

import sys
from functools import partial
from pathlib import Path

import pytest
from conftest import hpo, one_line_error
from drivers import begun, running_after, study_in, wait_until

from mlflow_hpo.store import Connection
from mlflow_hpo.trial import State, Trial

OBJECTIVE = """
import time
def objective(trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep(0.2 if trial.config["x"] < 50 else 2)
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
    own += ["--max-epochs=30", "--max-trials=5", "--algorithm=random", f"--start-from={tmp_path}/first.yaml"]
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
    from mlflow_hpo import open_study

    with open_study({"x": {"type": "int", "low": 0, "high": 99}}, progress=False) as study:
        trial = study.ask()
        assert trial
        assert words in one_line_error(hpo(job_uri, "trial", "add", study.run_id, pair))
        study.tell(trial, 1)
