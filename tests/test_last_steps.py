"""The last lines of cleaning up go on past their first error: it is told, and all that follows is done."""

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from conftest import environment
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import RunDeletedError
from mlflow_hpo.execution.leftovers import MARKS
from mlflow_hpo.execution.serial import SerialExecutor
from mlflow_hpo.registry.extra_runs import ended_at_last
from mlflow_hpo.store import Connection, fluent_run, keys
from mlflow_hpo.store.late_status import set_status_after
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State

Start = Callable[..., Study]


def status(connection: Connection, run_id: str) -> str:
    return str(connection.client.get_run(run_id).info.status)


def begun_below(connection: Connection, run_id: str, experiment: str) -> str:
    """A run that the code of a trial began, and that nobody ended."""
    return str(connection.client.create_run(experiment, tags={keys.TRIAL_RUN: run_id}).info.run_id)


def test_of_the_runs_that_code_left_open_one_is_gone_and_the_others_are_ended(
    connection: Connection, experiment: str
) -> None:
    trial_id, left = str(connection.client.create_run(experiment).info.run_id), list[str]()

    def train() -> None:
        with fluent_run(connection, trial_id):
            left.extend(mlflow.start_run(nested=True).info.run_id for _ in range(3))
            connection.client.delete_run(left[1])

    with pytest.raises(MlflowException, match="must be in the 'active'"):
        train()
    assert [status(connection, left[number]) for number in (0, 2)] == ["FINISHED", "FINISHED"]
    assert mlflow.active_run() is None, "the next unit, or the user's own code, begins as if nothing had been"


def test_a_trial_whose_run_is_gone_leaves_no_run_below_it_running(
    start: Start, connection: Connection, experiment: str
) -> None:
    study = start()
    trial = study.run.trials.create(0, {"units": 8}, 0)
    below = begun_below(connection, trial.run_id, experiment)
    connection.client.delete_run(trial.run_id)
    with pytest.raises(RunDeletedError):
        study.run.trials.end(trial, State.KILLED, "cut")
    assert status(connection, below) == "KILLED"


def test_of_several_extra_runs_one_is_gone_and_all_others_are_ended(
    start: Start, connection: Connection, experiment: str
) -> None:
    study = start()
    trial = study.run.trials.create(0, {"units": 8}, 0)
    gone, there = (study.run.extra_runs.create(trial, 1, keys.REPLAYED, "extra") for _ in range(2))
    below = begun_below(connection, gone, experiment)
    connection.client.delete_run(gone)
    with pytest.raises(KeyboardInterrupt), ended_at_last(study.run, [gone, there]):
        raise KeyboardInterrupt
    assert [status(connection, run_id) for run_id in (there, below)] == ["KILLED", "KILLED"]


def test_a_study_that_cannot_end_one_trial_ends_the_others_and_itself(
    start: Start, connection: Connection, uri: str
) -> None:
    study = start()
    trials = [study.run.trials.create(number, {"units": 8}, 0) for number in range(3)]
    study.ledger.trials.update({trial.number: trial for trial in trials})
    refuse = f"WHEN NEW.run_uuid = '{trials[1].run_id}' BEGIN SELECT RAISE(ABORT, 'no room'); END"
    with closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as store, store:
        store.execute(f"CREATE TRIGGER of_{trials[1].run_id} BEFORE INSERT ON tags {refuse}")
    with pytest.raises(MlflowException, match="Failed to set tags"):
        study._cut("cut", State.FAILED)
    found = [status(connection, run_id) for run_id in (*(t.run_id for t in trials), study.run.run_id)]
    assert found == ["KILLED", "RUNNING", "KILLED", "FAILED"]


def test_code_that_empties_the_environment_of_a_search_without_workers_costs_nothing() -> None:
    before = dict(os.environ)
    with pytest.raises(KeyError, match="MLFLOW_HPO_MARKS"):
        SerialExecutor().submit(lambda: [os.environ.pop(MARKS), os.environ[MARKS]]).result()
    assert dict(os.environ) == before


def test_a_folder_that_cannot_be_made_is_one_line_and_no_end_of_looking_for_old_ones(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code = (
        "import tempfile\nfrom mlflow_hpo.execution import folders\n"
        f"tempfile.tempdir = {str(tmp_path / 'file')!r}\n"
        "folders.remove_abandoned()\nfolders.temporary_folder()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    said = done.stderr.splitlines()[-1]
    assert said.startswith("mlflow_hpo.errors.StoreError: temporary files can be kept nowhere: "), said
    assert said.endswith("; name a folder by TMPDIR")


@pytest.mark.parametrize("command", ["report", "search"])
def test_where_nothing_can_be_written_commands_end_in_one_line(own_uri: str, command: str) -> None:
    """As on a full disk: not a byte goes into any file."""
    done = subprocess.run(
        [sys.executable, "-m", "mlflow_hpo", command],
        env=environment(own_uri),
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0)),
        check=False,
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: "), line
    assert ("no study" if command == "report" else "name a folder by TMPDIR") in line


def test_a_status_that_cannot_be_corrected_later_hides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    set_status_after("sqlite:///none.db", "run", "FINISHED")
