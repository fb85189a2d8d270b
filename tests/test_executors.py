import ctypes
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psutil
import pytest
from contracts import ExecutorContract, WorkersContract
from processes import WAIT, answer, leave

from mlflow_hpo.errors import ConfigError, HpoError, StudyError
from mlflow_hpo.execution.executor import Executor, WorkerLost, answered
from mlflow_hpo.execution.leftovers import MARKS, marked
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.serial import SerialExecutor
from mlflow_hpo.worker.startup import user_errors

held: list[bytes] = []


def hold(megabytes: int) -> int:
    held.append(os.urandom(megabytes << 20))
    return os.getpid()


def bad_start() -> None:
    raise RuntimeError("no such luck")


def end_as_c_does() -> None:
    ctypes.CDLL(None).exit(0)


def close_all() -> int:
    os.closerange(3, 1024)
    return 1


def end_a_thread() -> int:
    thread = threading.Thread(target=sys.exit)
    thread.start()
    thread.join()
    return 1


LOST = {
    "its worker ended with exit status 0": WorkerLost(exit_status=0),
    "its worker was killed by SIGKILL (out of memory?)": WorkerLost(signal=9),
    "its worker was killed by SIGSEGV": WorkerLost(signal=11),
    "its worker ended with exit status -40": WorkerLost(signal=40),  # which has no name
    "its worker was lost with its host node7": WorkerLost(host="node7"),
    "its worker died while it started: nothing to fork": WorkerLost(reason="nothing to fork"),
    "its worker ended": WorkerLost(),
}


@pytest.mark.parametrize("words", LOST)
def test_a_lost_worker_tells_in_words_how_it_ended_and_can_be_sent(words: str) -> None:
    lost = LOST[words]
    assert str(lost) == words
    copy = pickle.loads(pickle.dumps(lost))
    assert (str(copy), vars(copy)) == (words, vars(lost))
    assert not isinstance(lost, HpoError)


def test_a_worker_that_dies_outside_of_any_trial_is_an_error_of_the_study() -> None:
    with LocalExecutor(1) as workers, pytest.raises(StudyError) as caught:
        answered(workers.submit(leave, -signal.SIGKILL), "it was tried")
    assert str(caught.value) == "a worker died while it was tried: it was killed by SIGKILL (out of memory?)"


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with LocalExecutor(2) as workers:
        yield workers


class TestSerialExecutor(ExecutorContract):
    @pytest.fixture
    def executor(self) -> Executor:
        return SerialExecutor()

    def test_it_runs_here_and_now(self) -> None:
        with SerialExecutor(held.append, (b"",)) as here:
            held.clear()
            assert not held
            future = here.submit(threading.get_ident)
            assert future.done()
            assert future.result() == threading.get_ident()
            here.submit(os.getpid)
            assert held == [b""], "the initializer is called once"

    def test_it_leaves_the_global_random_generators_as_they_were(self) -> None:
        """MLflow would give each study that begins afterwards the same name."""

        def unit() -> None:
            random.seed(0)
            np.random.seed(0)

        random.seed(1)
        np.random.seed(1)
        expected = random.random(), np.random.random()
        random.seed(1)
        np.random.seed(1)
        SerialExecutor().submit(unit).result()
        assert (random.random(), np.random.random()) == expected

    def test_ctrl_c_ends_the_command_and_not_only_the_unit(self) -> None:
        def unit() -> None:
            with user_errors():
                signal.raise_signal(signal.SIGINT)

        before = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            with pytest.raises(KeyboardInterrupt):
                SerialExecutor().submit(unit)
        finally:
            signal.signal(signal.SIGINT, before)

    def test_a_deadline_is_refused_as_nothing_could_keep_it(self) -> None:
        with pytest.raises(ConfigError, match=r"^trial-timeout: .* give workers of at least 1$"):
            SerialExecutor().submit(answer, 1, timeout_s=1)

    def test_an_initializer_that_fails_fails_the_unit_and_is_tried_again(self) -> None:
        here = SerialExecutor(bad_start)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="no such luck"):
                here.submit(answer, 1).result()


class TestLocalExecutor(WorkersContract):
    def test_workers_stay_warm(self) -> None:
        with LocalExecutor(1) as workers:
            pids = {workers.submit(os.getpid).result(WAIT) for _ in range(5)}
            assert len(pids) == 1

    def test_a_worker_has_the_variables_that_stood_when_its_executor_was_made(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STOOD", "1")
        with LocalExecutor(1) as executor:
            monkeypatch.setenv("STOOD", "0")  # while a thread starts the worker
            monkeypatch.setenv("CAME", "1")
            work = [executor.submit(os.getenv, name) for name in ("STOOD", "CAME")]
            assert [unit.result(WAIT) for unit in work] == ["1", None]

    def test_a_worker_that_grew_is_replaced(self) -> None:
        with LocalExecutor(1, growth_bytes=50 << 20) as workers:
            first = workers.submit(hold, 1).result(WAIT)
            assert workers.submit(hold, 5).result(WAIT) == first
            assert workers.submit(hold, 100).result(WAIT) == first
            second = workers.submit(hold, 1).result(WAIT)
            assert second != first
            assert not psutil.pid_exists(first)

    @pytest.mark.parametrize("fn", [end_as_c_does, close_all])
    def test_a_worker_that_a_library_ends_or_cuts_off_is_lost(self, fn: Callable[[], Any]) -> None:
        with LocalExecutor(1) as workers:
            waiting = [workers.submit(fn), workers.submit(answer, 1)]
            with pytest.raises(WorkerLost, match="ended with exit status"):
                waiting[0].result(WAIT)
            assert waiting[1].result(WAIT) == 2

    def test_a_thread_that_ends_ends_nothing_else(self) -> None:
        with LocalExecutor(1) as workers:
            assert workers.submit(end_a_thread).result(WAIT) == 1

    def test_a_worker_that_ends_while_it_starts_is_lost_and_not_waited_for(self) -> None:
        with LocalExecutor(1, leave, (0,)) as workers, pytest.raises(WorkerLost, match="exit status 0"):
            workers.submit(answer, 1).result(WAIT)

    def test_a_worker_that_cannot_start_fails_the_future_and_no_more(self) -> None:
        with LocalExecutor(1, bad_start) as workers, pytest.raises(WorkerLost):
            workers.submit(answer, 1).result(WAIT)

    def test_no_worker_outlives_a_shutdown(self) -> None:
        workers = LocalExecutor(2)
        pids = [workers.submit(os.getpid).result(WAIT) for _ in range(2)]
        workers.shutdown()
        assert not any(psutil.pid_exists(pid) for pid in pids)


def test_nothing_heavy_is_imported_to_run_units() -> None:
    """A worker sets its number of threads before NumPy is loaded."""
    modules = "executor, serial, local, deferred, spawn, forkserver, preload"
    code = f"import sys\nfrom mlflow_hpo.execution import {modules}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"numpy", "pandas", "mlflow", "tensorflow", "pydantic"} & set(done.stdout.split())


def test_threads_that_mark_at_a_time_leave_the_mark_to_the_last() -> None:
    inside, goes = threading.Event(), threading.Event()

    def mark() -> None:
        with marked():
            inside.set()
            goes.wait(WAIT)

    thread = threading.Thread(target=mark)
    with marked():
        thread.start()
        inside.wait(WAIT)
    assert MARKS in os.environ
    goes.set()
    thread.join()
    with marked():
        value = os.environ[MARKS]
        with marked():
            assert os.environ[MARKS] == value
        assert os.environ[MARKS] == value
