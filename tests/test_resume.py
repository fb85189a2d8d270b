"""Nothing is lost: real processes are cut in real ways, and the study goes on."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import COMMAND_SECONDS, hpo, hpo_process, one_line_error, run_command
from drivers import begun, family, running_after, study_in, trials_in, wait_until

from mlflow_hpo.store import Connection

pytestmark = pytest.mark.slow
MLFLOW_RUN = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local"]
SEARCH = [sys.executable, "-m", "mlflow_hpo", "search"]
ONE_WORKER = ["--workers", "1", "--max-trials", "11", "--max-epochs", "120", "--seed", "4"]


def statuses(uri: str) -> tuple[str, list[str]]:
    """The status of the study's run, and those of its trials' runs."""
    study = study_in(uri)
    client = study.connection.client
    own = [client.get_run(t.run_id).info.status for t in study.trials.load()]
    return client.get_run(study.run_id).info.status, own


def test_a_study_that_was_killed_goes_on_as_if_nothing_had_happened(
    tmp_path: Path, new_store: Callable[[Path], str]
) -> None:
    (tmp_path / "whole").mkdir()
    whole, cut = new_store(tmp_path / "whole"), new_store(tmp_path)
    with begun([*SEARCH, *ONE_WORKER], cut) as driver:
        wait_until(running_after(cut, 2))
        workers = [p for p in family(driver.pid) if p.pid != driver.pid]
        loaded = Path(f"/proc/{driver.pid}/maps").read_text()
        os.kill(driver.pid, signal.SIGKILL)
        wait_until(lambda: not any(p.is_running() for p in workers))
        assert "tensorflow" not in loaded
        assert "sqlite" in loaded  # it is the driver that was looked at
    before = {t.number: t for t in trials_in(cut)}
    assert statuses(cut)[0] == "RUNNING"
    assert hpo_process(cut, "resume", "latest").returncode == 0
    assert hpo_process(whole, "search", *ONE_WORKER).returncode == 0
    after, uninterrupted = trials_in(cut), trials_in(whole)
    assert [t.number for t in after] == list(range(11))
    assert [t.config for t in after] == [t.config for t in uninterrupted]
    assert [t.losses for t in after] == [pytest.approx(t.losses, abs=0.02) for t in uninterrupted]
    assert all(after[t.number] == t for t in before.values() if t.is_over)  # not trained again
    assert statuses(cut) == ("FINISHED", ["FINISHED"] * 11)
    client = Connection(cut).client
    for trial in after:
        assert [m.step for m in client.get_metric_history(trial.run_id, "loss")] == list(range(1, 121))


def test_a_project_that_was_ended_goes_on_in_its_own_run(
    tmp_path: Path, new_store: Callable[[Path], str]
) -> None:
    uri = new_store(tmp_path)
    given = tmp_path / "given.yaml"
    given.write_text("- {units: 32}\n")
    options = ["-Pmax_trials=4", "-Pmax_epochs=200", "-Pworkers=2", f"-Pstart_from={given}"]
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
    assert "began with other configs than" in run_command(again, uri).stderr
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
    with begun([*MLFLOW_RUN, "-Pmax_trials=6", "-Pmax_epochs=300", "-Pworkers=2"], uri) as project:
        wait_until(running_after(uri, 1))
        everyone = family(project.pid)
        os.killpg(project.pid, number)
        project.wait(COMMAND_SECONDS)
        wait_until(lambda: not any(p.is_running() for p in everyone))
        wait_until(lambda: statuses(uri)[0] == "KILLED")
    assert set(statuses(uri)[1]) == {"FINISHED", "KILLED"}


def test_ctrl_c_leaves_a_study_that_can_be_resumed_by_one_driver_and_as_it_began(
    tmp_path: Path, new_store: Callable[[Path], str]
) -> None:
    uri = new_store(tmp_path)
    with begun([*SEARCH, "--max-trials", "6", "--max-epochs", "200", "--workers", "1"], uri) as driver:
        wait_until(running_after(uri, 1))
        name = study_in(uri).name
        assert f"is being run by process {driver.pid}" in one_line_error(hpo(uri, "resume", name))
        wait_until(running_after(uri, 1))  # not between two trials
        os.killpg(driver.pid, signal.SIGINT)  # what a terminal does: to the driver and to its workers
        _, said = driver.communicate(timeout=COMMAND_SECONDS)
    assert driver.returncode == 130
    assert (
        said.strip() == f"Error: interrupted by SIGINT; go on with: mlflow-hpo resume {study_in(uri).run_id}"
    )
    parent, trials = statuses(uri)
    assert parent == "KILLED"
    assert set(trials) == {"FINISHED", "KILLED"}
    refused = one_line_error(hpo(uri, "resume", "latest", "--seed", "5"))
    assert "began with seed 0, not 5: a resume may change max_trials, workers" in refused
    assert statuses(uri)[0] == "KILLED"
    done = hpo(uri, "resume", name, "--max-trials", "3")
    assert done.returncode == 0, done.stderr
    assert statuses(uri) == ("FINISHED", ["FINISHED"] * len(trials_in(uri)))
