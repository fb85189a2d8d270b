import os
import pickle
import time
from collections.abc import Iterator

import psutil
import pytest
from contracts import WAIT, ExecutorContract, answer, die

from mlflow_hpo.errors import HpoError, StudyError
from mlflow_hpo.execution.executor import Executor, WorkerLost, answered
from mlflow_hpo.execution.local import LocalExecutor

held: list[bytes] = []


def hold(megabytes: int) -> int:
    held.append(os.urandom(megabytes << 20))
    return os.getpid()


def bad_start() -> None:
    raise RuntimeError("no such luck")


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
        answered(workers.submit(die), "it was tried")
    assert str(caught.value) == "a worker died while it was tried: it was killed by SIGKILL (out of memory?)"


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    with LocalExecutor(2) as workers:
        yield workers


class TestLocalExecutor(ExecutorContract):
    def test_workers_stay_warm(self) -> None:
        with LocalExecutor(1) as workers:
            pids = {workers.submit(os.getpid).result(WAIT) for _ in range(5)}
            assert pids == set(workers.pids)

    def test_a_worker_that_grew_is_replaced(self) -> None:
        with LocalExecutor(1, growth_bytes=50 << 20) as workers:
            first = workers.submit(hold, 1).result(WAIT)
            assert workers.submit(hold, 5).result(WAIT) == first
            assert workers.submit(hold, 100).result(WAIT) == first
            time.sleep(0.5)  # the executor looks when the unit is done
            second = workers.submit(hold, 1).result(WAIT)
            assert second != first
            assert not psutil.pid_exists(first)

    def test_a_worker_that_cannot_start_fails_the_future_and_no_more(self) -> None:
        with LocalExecutor(1, bad_start) as workers, pytest.raises(WorkerLost):
            workers.submit(answer, 1).result(WAIT)

    def test_no_worker_outlives_a_shutdown(self) -> None:
        workers = LocalExecutor(2)
        pids = [workers.submit(os.getpid).result(WAIT) for _ in range(2)]
        workers.shutdown()
        assert not any(psutil.pid_exists(pid) for pid in pids)
