"""What every engine must keep, on real clusters of this machine; and studies that lose a host on the way."""

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, wait
from pathlib import Path
from typing import Any

import psutil
import pytest
from contracts import WorkersContract
from processes import WAIT, answer, name_yourself, sleep, until

from mlflow_hpo import tune
from mlflow_hpo.execution.cluster import ClusterExecutor
from mlflow_hpo.execution.engine import Order
from mlflow_hpo.execution.executor import WorkerLost
from mlflow_hpo.store import Connection


def order() -> Order:
    """What slots are told that need not prepare for a study."""
    return Order(folder=str(Path.cwd()), path=tuple(sys.path))


class ClusterContract(WorkersContract):
    """An executor of two hosts with a slot each.

    The fixture `kill_host` ends one, and gives back what brings another in its place.
    """

    @pytest.fixture(autouse=True)
    def all_are_ready(self, executor: ClusterExecutor) -> None:
        executor.start()
        assert until(lambda: executor.workers == 2, WAIT)

    def test_a_lost_host_fails_its_unit_alone_and_another_takes_its_place(
        self, executor: ClusterExecutor, kill_host: Callable[[], Callable[[], None]]
    ) -> None:
        units = [executor.submit(sleep, 6.0, near=str(number)) for number in range(2)]
        time.sleep(0.5)
        replace = kill_host()
        (lost,) = wait(units, WAIT, FIRST_COMPLETED).done
        assert executor.workers == 1, "its capacity is what there is"
        with pytest.raises(WorkerLost, match=r"was lost with its host \S"):
            lost.result()
        assert next(unit for unit in units if unit is not lost).result(WAIT) is None
        assert executor.submit(answer, 2).result(WAIT) == 4
        replace()
        assert until(lambda: executor.workers == 2, WAIT)
        both = [executor.submit(name_yourself, 1.0) for _ in range(2)]
        assert len({unit.result(WAIT) for unit in both}) == 2

    def test_nothing_outlives_a_shutdown(self, executor: ClusterExecutor) -> None:
        both = [executor.submit(name_yourself, 1.0) for _ in range(2)]
        pids = [unit.result(WAIT) for unit in both]
        executor.shutdown()
        assert until(lambda: not any(map(psutil.pid_exists, pids)), 5)


SPACE = {"x": [0, 0.1, 0.2, 0.3, 0.4, 0.5]}


def objective(trial: Any) -> None:
    """Report a loss for each epoch, some of them slow."""
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep(0.2)
        trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch})


def study_that_loses_a_host(uri: str, executor: Any, kill_host: Callable[[], Any], **more: Any) -> str:
    """Runs a study of six trials by asha, in which a host is lost; gives its run's id."""
    client, killed = Connection(uri).client, threading.Event()

    def kill() -> None:
        assert until(lambda: len(client.search_runs(["0", "1"])) > 1, WAIT)
        time.sleep(0.4)
        kill_host()
        killed.set()

    threading.Thread(target=kill, daemon=True).start()
    settings: dict[str, Any] = {"scheduler": "asha", "max_epochs": 9, "trial_timeout": 60, "progress": False}
    study = tune(objective, SPACE, max_trials=6, workers=2, executor=executor, **settings, **more)
    assert killed.is_set()
    check_whole(client, study.run_id, 6)
    return study.run_id


def check_whole(client: Any, run_id: str, count: int) -> None:
    """Nothing is lost, repeated, or left running."""
    runs = client.search_runs(["0", "1"], f"tags.mlflow.parentRunId = '{run_id}'")
    assert len(runs) == count
    assert {run.info.status for run in [*runs, client.get_run(run_id)]} == {"FINISHED"}
    for run in runs:
        steps = [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]
        assert sorted(steps) == list(range(1, len(steps) + 1)), "its curve is unbroken"
