"""What a trial's code forks, with no other program, ends with its worker, however that ends. Linux only."""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from attack.worker_faults import runs
from processes import WAIT, name_yourself, until

from mlflow_hpo.execution.executor import WorkerLost
from mlflow_hpo.execution.leftovers import BLANK, MARKS, fill_blank, new_mark
from mlflow_hpo.execution.local import LocalExecutor

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="what was forked is told by /proc")


def fork(file: str, is_daemon: bool, end: Callable[[], None] | None) -> None:
    """Leave a child, or one of its own session and of nobody's, and end."""
    if os.fork() == 0:
        if is_daemon:
            os.setsid()
            if os.fork():
                os._exit(0)
        Path(file).write_text(str(os.getpid()))
        time.sleep(600)
    assert until(lambda: Path(file).exists() and bool(Path(file).read_text()))
    if end:
        end()


def be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def leave() -> None:
    os._exit(0)


HOW = {be_killed: "was killed by SIGKILL", leave: "ended with exit status 0"}


@pytest.mark.parametrize(("end", "is_daemon"), [(be_killed, False), (leave, True), (None, False)])
def test_it_ends_with_its_worker_and_another_worker_goes_on(
    tmp_path: Path, end: Callable[[], None] | None, is_daemon: bool
) -> None:
    file = tmp_path / "child"
    with LocalExecutor(2) as workers:
        other = workers.submit(name_yourself, 1.0)
        work = workers.submit(fork, str(file), is_daemon, end)
        if end:
            with pytest.raises(WorkerLost, match=HOW[end]):
                work.result(WAIT)
            child = int(file.read_text())
            assert until(lambda: not runs(child), 3)
        else:
            work.result(WAIT)
            child = int(file.read_text())
            assert runs(child), "its worker is there"
        assert psutil.pid_exists(other.result(WAIT))
    assert until(lambda: not runs(child), 3)


def test_a_process_without_a_blank_mark_stays_as_it_is() -> None:
    before = Path("/proc/self/environ").read_bytes()
    assert f"{MARKS}=".encode() not in before or BLANK.encode() not in before
    fill_blank(new_mark())
    assert Path("/proc/self/environ").read_bytes() == before
