"""Units and studies on a real Ray cluster of this machine: a head without cores, and two nodes."""

import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import ray
from cluster_contract import SPACE, ClusterContract, check_whole, objective, order, study_that_loses_a_host
from conftest import hpo, one_line_error
from distributed import Client, LocalCluster
from processes import WAIT, until
from ray.cluster_utils import Cluster

from mlflow_hpo import tune
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.execution.cluster import ClusterExecutor
from mlflow_hpo.execution.engine import Resources
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.execution.ray import RayEngine
from mlflow_hpo.store import Connection

NODE = {"num_cpus": 1, "num_gpus": 1, "object_store_memory": 100 << 20}  # there is no such GPU


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": 100 << 20})
    for _ in range(2):
        cluster.add_node(**NODE)
    ray.init(address=cluster.address, log_to_driver=False, logging_level=logging.ERROR)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture(scope="module")
def executor(cluster: Cluster) -> Iterator[Executor]:
    with ClusterExecutor(RayEngine(Resources(cpus=1, gpus=0.5)), order(), 2) as executor:
        yield executor


@pytest.fixture
def kill_host(cluster: Cluster) -> Callable[[], Callable[[], Any]]:
    def kill() -> Callable[[], Any]:
        cluster.remove_node(next(iter(cluster.worker_nodes)), allow_graceful=False)
        return lambda: cluster.add_node(**NODE)

    return kill


class TestRayExecutor(ClusterContract):
    pass


def test_a_slot_that_dies_while_it_is_free_is_noticed(
    executor: ClusterExecutor, kill_host: Callable[[], Callable[[], Any]]
) -> None:
    executor.start()
    assert until(lambda: executor.workers == 2, WAIT)
    replace = kill_host()
    assert until(lambda: executor.workers == 1)
    replace()
    assert until(lambda: executor.workers == 2, WAIT)


def test_a_study_outlives_a_node_and_goes_on_with_dask(
    job_uri: str, executor: ClusterExecutor, kill_host: Callable[[], Callable[[], Any]]
) -> None:
    executor.shutdown()
    run_id = study_that_loses_a_host(job_uri, ray, kill_host, trial_cpus=1, trial_gpus=0.5)
    with (
        LocalCluster(n_workers=1, threads_per_worker=2) as dask,
        Client(dask) as client,
    ):
        again = tune(
            objective, SPACE, resume=run_id, executor=client, trial_gpus=0, max_trials=7, progress=False
        )
    assert len(again.trials) == 7
    check_whole(Connection(job_uri).client, run_id, 7)


def test_a_slot_that_fits_nowhere_is_refused_with_what_there_is(job_uri: str, cluster: Cluster) -> None:
    with pytest.raises(ConfigError) as caught:
        tune(objective, {"x": [1]}, executor=ray, trial_gpus=2, progress=False)
    assert str(caught.value) == (
        "executor: no node of Ray has room for 1 CPU and 2 GPU: they have 0 CPU and 0 GPU; 1 CPU and 1 GPU"
    )


def test_an_address_that_nobody_answers_is_refused_in_a_line(job_uri: str) -> None:
    line = one_line_error(hpo(job_uri, "search", "--executor", "ray://127.0.0.1:9"))
    assert line.startswith("Error: executor: no Ray answers at '127.0.0.1:9': ")
