"""A command ends with everything that it started, however its end comes."""

import os
import signal
from pathlib import Path

import pytest
from project_folders import runs, wait_until

from mlflow_hpo.objectives.project.process import Command

BOTH = "sleep 600 & echo $! > child; echo $$ > leader; wait"


def pid(file: str) -> int:
    """The process whose id a command has written there."""
    wait_until(lambda: Path(file).exists() and bool(Path(file).read_text().strip()))
    return int(Path(file).read_text())


def start(line: str) -> Command:
    return Command(line, ".", os.environ, Path("output.txt"))


def test_it_tells_exit_status_output_and_what_was_used() -> None:
    with start("echo first; echo last >&2; exit 3") as it:
        assert it.ends(60)
    assert it.status == 3
    assert it.tail() == "first\nlast"
    assert it.peak_bytes > 100_000


def test_it_is_not_over_before_it_is() -> None:
    with start("sleep 600") as it:
        assert not it.ends(0.05)


def test_leaving_it_ends_the_whole_group() -> None:
    with start(BOTH):
        leader, child = pid("leader"), pid("child")
        assert runs(leader)
        assert runs(child)
    assert not runs(leader)
    wait_until(lambda: not runs(child))


def test_what_it_leaves_running_behind_it_ends_too() -> None:
    with start("sleep 600 & echo $! > child") as it:
        assert it.ends(60)
        child = pid("child")
    assert it.status == 0
    wait_until(lambda: not runs(child))


def test_what_ignores_sigterm_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlflow_hpo.objectives.project.process.GRACE_SECONDS", 0.3)
    with start("trap '' TERM; echo $$ > leader; while true; do sleep 0.1; done") as it:
        leader = pid("leader")
    assert not runs(leader)
    assert it.status == -signal.SIGKILL
