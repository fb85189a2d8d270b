import os
import time
from collections.abc import Iterator

import psutil
import pytest
from contracts import WAIT, ExecutorContract, answer

from mlflow_hpo.execution.local import Executor, LocalExecutor

held: list[bytes] = []


def hold(megabytes: int) -> int:
    held.append(os.urandom(megabytes << 20))
    return os.getpid()


def bad_start() -> None:
    raise RuntimeError("no such luck")


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
        with LocalExecutor(1, bad_start) as workers, pytest.raises(RuntimeError):
            workers.submit(answer, 1).result(WAIT)

    def test_no_worker_outlives_a_shutdown(self) -> None:
        workers = LocalExecutor(2)
        pids = [workers.submit(os.getpid).result(WAIT) for _ in range(2)]
        workers.shutdown()
        assert not any(psutil.pid_exists(pid) for pid in pids)
