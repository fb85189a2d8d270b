"""Units and studies on a real Dask cluster of this machine, whose workers are under nannies."""

import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import dask
import mlflow
import psutil
import pytest
from browser import served
from cluster_contract import ClusterContract, check_whole, order, study_that_loses_a_host
from conftest import hpo, one_line_error
from distributed import Client, LocalCluster
from drivers import begun, running_after, study_in, trials_in, wait_until
from processes import WAIT, name_yourself, until

from mlflow_hpo import tune
from mlflow_hpo.errors import ConfigError, StoreError
from mlflow_hpo.execution.cluster import ClusterExecutor
from mlflow_hpo.execution.dask import DaskEngine
from mlflow_hpo.execution.engine import Resources
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.trial import State

# A machine that stalls, as shared ones do, is not to look like a host that is lost.
PATIENT = {f"distributed.comm.timeouts.{what}": "300s" for what in ("connect", "tcp")}
SLOT = "mlflow_hpo.execution.slot_process"


def cluster_of(workers: int, **more: Any) -> LocalCluster:
    dask.config.set(PATIENT)
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        memory_limit=0,
        dashboard_address=":0",
        silence_logs=50,
        **more,
    )


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two workers, each with a thread."""
    with cluster_of(2) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture(scope="module")
def executor(client: Client) -> Iterator[Executor]:
    with ClusterExecutor(DaskEngine(client, Resources()), order(), 2) as executor:
        yield executor


@pytest.fixture
def kill_host(client: Client) -> Callable[[], Callable[[], None]]:
    def kill() -> Callable[[], None]:
        os.kill(next(iter(client.run(os.getpid).values())), signal.SIGKILL)
        return lambda: None  # its nanny starts another

    return kill


def slots() -> list[psutil.Process]:
    """The slots' processes that run on this machine."""
    return [p for p in psutil.process_iter(["cmdline"]) if SLOT in (p.info["cmdline"] or [])]


class TestDaskExecutor(ClusterContract):
    pass


def test_a_study_outlives_a_worker_of_the_cluster(
    job_uri: str, client: Client, executor: ClusterExecutor, kill_host: Callable[[], Any]
) -> None:
    executor.shutdown()
    study_that_loses_a_host(job_uri, client, kill_host)


OBJECTIVE = """
import time
def objective(trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep(0.1)
        trial.report(epoch, {"loss": trial.config["x"] + 1 / epoch})
"""


def test_a_driver_that_is_stopped_or_killed_leaves_no_slot_and_its_study_goes_on_without_dask(
    job_uri: str, client: Client, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OBJECTIVE)
    (tmp_path / "space.yaml").write_text("x: [0.1, 0.2, 0.3, 0.4]")
    options = [
        f"--model={tmp_path}/own.py:objective",
        f"--space={tmp_path}/space.yaml",
        "--max-epochs=20",
        "--max-trials=4",
        "--workers=2",
    ]
    dask = f"--executor=dask://{client.scheduler.address.removeprefix('tcp://')}"
    search, resume = ["search", *options, dask], ["resume", "latest"]
    for command, end in ((search, signal.SIGINT), (resume, signal.SIGKILL)):
        with begun([sys.executable, "-m", "mlflow_hpo", *command], job_uri) as driver:
            wait_until(running_after(job_uri, 0))
            assert slots()
            os.kill(driver.pid, end)
            assert driver.wait(WAIT)
            assert until(lambda: not slots())
        if end == signal.SIGINT:
            assert {trial.state for trial in trials_in(job_uri)} <= {State.KILLED, State.FINISHED}
    done = hpo(job_uri, "resume", "latest", "--executor", "local")
    assert done.returncode == 0, done.stderr
    check_whole(Connection(job_uri).client, study_in(job_uri).run_id, 4)


BESIDE = """
import beside
def objective(trial):
    trial.report(1, {"loss": beside.value(trial.config["x"]) + len(trial.data.train.x)})
"""


def test_hosts_that_share_no_disk_are_sent_code_and_data(
    job_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has another name, so that it is no longer taken for this machine."""
    elsewhere, here = tmp_path / "elsewhere", tmp_path / "here"
    for folder in (elsewhere, here / "code"):
        folder.mkdir(parents=True)
    (here / "code/train.py").write_text(BESIDE)
    (here / "code/beside.py").write_text("def value(x):\n    return x\n")
    (here / "rows.csv").write_text("a,y\n" + "\n".join(f"{n},{n % 7 / 7}" for n in range(100)))
    monkeypatch.chdir(elsewhere)
    env = {"MLFLOW_HPO_HOST": "node1", "TMPDIR": str(elsewhere)}
    with served(job_uri, tmp_path) as server, cluster_of(1, env=env) as cluster, Client(cluster) as client:
        monkeypatch.chdir(here)
        how: dict[str, Any] = {"target": "y", "task": "regression", "executor": client, "max_trials": 2}
        how |= {"algorithm": "grid", "progress": False}
        search = partial(tune, "code/train.py:objective", {"x": [1, 2]}, "rows.csv", **how)
        with pytest.raises(StoreError, match=r"tracking store .* is on this machine's disk: start a server"):
            search()
        mlflow.set_tracking_uri(server)
        with pytest.raises(StoreError, match="the artifacts of experiment 1 lie on this machine's disk"):
            search()
        monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "served")
        study = search()
        assert [trial.loss for trial in study.trials] == [65, 66]
        (here / "code/mine.py").write_text(MINE)
        monkeypatch.syspath_prepend(here / "code")
        mine = importlib.import_module("mine")
        names: dict[str, Any] = {"target": None, "metric": mine.score, "max_trials": 1}
        given = tune(mine.model, {"strategy": ["mean", "median"]}, mine.rows, **how | names)
        how.pop("executor")  # the study's
        again = tune(mine.model, None, mine.rows, resume=given.run_id, **how | names | {"max_trials": 2})
        assert [trial.config["strategy"] for trial in again.trials] == ["mean", "median"]
        assert again.best_value == -1
        assert mlflow.get_run(again.trials[1].run_id).data.tags[f"{keys.MACHINE}host"] == "node1"
        machines = {trial.run_id: mlflow.get_run(trial.run_id).data.tags for trial in study.trials}
        assert {tags[f"{keys.MACHINE}host"] for tags in machines.values()} == {"node1"}


MINE = """
from functools import lru_cache
import beside
import numpy as np
from sklearn.dummy import DummyRegressor
def model(strategy="mean"):
    return DummyRegressor(strategy=strategy)
@lru_cache
def rows():
    return np.arange(40.0).reshape(20, 2), np.ones(20)
def score(estimator, x, y):
    return -beside.value(float(estimator.predict(x)[0]))
"""


def test_an_engine_that_is_silent_for_a_moment_has_not_lost_its_slots(client: Client) -> None:
    engine = DaskEngine(client, Resources())
    with ClusterExecutor(engine, order(), 2) as executor:
        executor.start()
        pid = executor.submit(name_yourself, 0.0, near="a").result(WAIT)
        places, asked = engine.places, list[int]()

        def silent(most: int) -> Any:
            asked.append(most)
            raise TimeoutError

        engine.places = silent  # type: ignore[method-assign]
        assert until(lambda: len(asked) > 2)
        engine.places = places  # type: ignore[method-assign]
        assert executor.submit(name_yourself, 0.0, near="a").result(WAIT) == pid


REFUSED = {
    "spark": "executor: 'spark' is none: give local, ray, ray://HOST:PORT, dask, dask://HOST:PORT",
    "dask://": "executor: 'dask://' is none: give local, ray, ray://HOST:PORT, dask, dask://HOST:PORT",
    "dask://127.0.0.1": "executor: no Dask scheduler answers at '127.0.0.1': give HOST:PORT",
    "dask://127.0.0.1:9": "executor: no Dask scheduler answers at '127.0.0.1:9': [Errno 111] ",
}


@pytest.mark.parametrize("executor", REFUSED)
def test_a_name_of_no_executor_is_refused_in_a_line(executor: str, job_uri: str) -> None:
    began = time.monotonic()
    line = one_line_error(hpo(job_uri, "search", "--executor", executor))
    assert line.startswith(f"Error: {REFUSED[executor]}")
    assert time.monotonic() - began < 30


def test_a_slot_that_fits_nowhere_is_refused_with_what_there_is(job_uri: str, client: Client) -> None:
    with pytest.raises(ConfigError) as caught:
        tune(print, {"x": [1]}, executor=client, trial_gpus=0.5, progress=False)
    assert str(caught.value) == (
        "executor: no Dask worker has room for 1 CPU and 0.5 GPU: they have 1 threads and no resource GPU"
    )
