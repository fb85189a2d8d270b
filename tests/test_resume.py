"""A study of a project is cut in real ways, and goes on; tests/attack/ does that to the other commands."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND_SECONDS, hpo_process, one_line_error, run_command
from drivers import begun, family, running_after, study_in, wait_until

from mlflow_hpo.store import Connection

pytestmark = pytest.mark.slow
MLFLOW_RUN = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local"]


def statuses(uri: str) -> tuple[str, list[str]]:
    """The status of the study's run, and those of its trials' runs."""
    study = study_in(uri)
    client = study.connection.client
    own = [client.get_run(t.run_id).info.status for t in study.trials.load()]
    return client.get_run(study.run_id).info.status, own


def test_a_project_that_was_ended_goes_on_in_its_own_run(
    tmp_path: Path, new_store: Callable[[Path], str]
) -> None:
    uri = new_store(tmp_path)
    given = tmp_path / "given.yaml"
    given.write_text("- {units: 32}\n")
    options = ["-Pmax_trials=4", "-Pmax_epochs=80", "-Pworkers=2", f"-Pstart_from={given}"]
    with begun([*MLFLOW_RUN, *options], uri) as project:
        wait_until(running_after(uri, 1))
        everyone = family(project.pid)
        project.terminate()
        project.wait(COMMAND_SECONDS)
        wait_until(lambda: not any(p.is_running() for p in everyone))
    parent, trials = statuses(uri)
    assert parent == "KILLED"
    assert set(trials) == {"FINISHED", "KILLED"}
    again = [*MLFLOW_RUN, *options, "--run-id", study_in(uri).run_id]
    assert run_command([*again, "-Pdata=mnist"], uri).returncode != 0
    assert study_in(uri).state.startswith("killed: ")  # a refused resume leaves it as it was
    given.write_text("- {units: 64}\n")
    changed = ["--max-trials", "4", "--max-epochs", "80", "--workers", "2", "--start-from", str(given)]
    refused = hpo_process(uri, "search", *changed, MLFLOW_RUN_ID=study_in(uri).run_id)  # as its project does
    assert "began with other configs than" in one_line_error(refused)
    given.write_text("- {units: 32}\n")
    done = run_command(again, uri)
    assert done.returncode == 0, done.stderr
    assert "resumed: " in done.stdout
    assert statuses(uri) == ("FINISHED", ["FINISHED"] * 4)
    assert len(Connection(uri).client.search_runs(["0"])) == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_everyone_kills_but_fails_nothing(
    tmp_path: Path, new_store: Callable[[Path], str], number: int
) -> None:
    """A terminal's Ctrl-C, `timeout`, or a batch system: it reaches mlflow, driver and workers."""
    uri = new_store(tmp_path)
    with begun([*MLFLOW_RUN, "-Pmax_trials=6", "-Pmax_epochs=80", "-Pworkers=2"], uri) as project:
        wait_until(running_after(uri, 1))
        everyone = family(project.pid)
        os.killpg(project.pid, number)
        project.wait(COMMAND_SECONDS)
        wait_until(lambda: not any(p.is_running() for p in everyone))
        wait_until(lambda: statuses(uri)[0] == "KILLED")
    assert set(statuses(uri)[1]) == {"FINISHED", "KILLED"}
