"""Which worker trains on which GPU. The lists of devices are given; the workers are real processes."""

import os

import pytest
from conftest import hpo, one_line_error
from processes import WAIT

from mlflow_hpo.execution.devices import environments
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.hardware import GPU_MEMORY, VISIBLE_GPUS, Gpu, gpu_room, narrowed

TWO = (Gpu("GPU-aa11", "T4", 16 << 30), Gpu("GPU-bb22", "T4", 16 << 30))
PARTS = (Gpu("MIG-1", "A30 MIG", 6 << 30, is_part=True), Gpu("MIG-2", "A30 MIG", 6 << 30, is_part=True))


def seen(
    gpus: tuple[Gpu, ...], workers: int, share: float | None, *names: str
) -> list[tuple[str | None, ...]]:
    """What workers find in their environment, each in turn."""
    with LocalExecutor(workers, variables=environments(gpus, workers, share)) as executor:
        asked = [[executor.submit(os.getenv, name) for _ in range(workers)] for name in names]
        return sorted(zip(*[[unit.result(WAIT) for unit in each] for each in asked], strict=True))


def test_each_worker_sees_its_gpu_alone() -> None:
    assert seen(TWO, 2, 1, VISIBLE_GPUS, GPU_MEMORY) == [("GPU-aa11", None), ("GPU-bb22", None)]


def test_two_that_share_one_have_a_part_of_its_memory_each() -> None:
    assert seen(TWO, 3, 0.5, VISIBLE_GPUS, GPU_MEMORY, "TF_FORCE_GPU_ALLOW_GROWTH") == [
        ("GPU-aa11", "7372", "true"),
        ("GPU-aa11", "7372", "true"),
        ("GPU-bb22", "7372", "true"),
    ]


def test_a_new_worker_has_the_gpu_of_the_one_that_it_replaces() -> None:
    with LocalExecutor(1, variables=environments(TWO, 2, 1)[1:]) as executor:
        assert executor.submit(os.getenv, VISIBLE_GPUS).result(WAIT) == "GPU-bb22"
        executor.shutdown()
        assert executor.submit(os.getenv, VISIBLE_GPUS).result(WAIT) == "GPU-bb22"


SHARED = {  # gpus, workers, share -> what each sees
    (TWO, 1, None): ["GPU-aa11,GPU-bb22"],
    (TWO, 2, None): ["GPU-aa11", "GPU-bb22"],
    (TWO, 3, None): ["GPU-aa11", "GPU-bb22", "GPU-aa11"],
    (TWO, 1, 2): ["GPU-aa11,GPU-bb22"],
    (TWO, 2, 0): ["-1", "-1"],
    (TWO, 4, 0.5): ["GPU-aa11", "GPU-bb22", "GPU-aa11", "GPU-bb22"],
    (PARTS, 1, None): ["MIG-1"],  # a process sees one part alone
    (PARTS, 2, 1): ["MIG-1", "MIG-2"],
    ((), 2, None): [None, None],
}


@pytest.mark.parametrize("case", SHARED)
def test_gpus_are_dealt_out_evenly(case: tuple[tuple[Gpu, ...], int, float | None]) -> None:
    assert [each.get(VISIBLE_GPUS) for each in environments(*case)] == SHARED[case]


NARROWED = {
    None: ["GPU-aa11", "GPU-bb22"],
    "": [],
    "-1": [],
    "1": ["1"],  # what it means is CUDA's to say
    "1,0": ["1", "0"],
    "GPU-b": ["GPU-bb22"],
    "GPU-bb22, GPU-aa11": ["GPU-bb22", "GPU-aa11"],
    "0,2,1": ["0"],
    "MIG-1": [],
}


@pytest.mark.parametrize("visible", NARROWED)
def test_a_list_of_devices_that_the_user_has_set_is_kept_to(visible: str | None) -> None:
    assert [gpu.name for gpu in narrowed(TWO, visible)] == NARROWED[visible]


@pytest.mark.parametrize(("share", "room"), [(1, 2), (0.5, 4), (0.3, 6), (0.1, 20), (2, 1), (3, 0)])
def test_there_is_room_for_so_many(share: float, room: int) -> None:
    assert gpu_room(TWO, share) == room


REFUSED = {
    ("--trial-gpus", "0.5"): "trial-gpus: 0.5 needs a GPU, and this machine has none "
    "(CUDA_VISIBLE_DEVICES is ''): give 0",
    ("--trial-gpus", "1.5"): "trial-gpus: 1.5 is no number of GPUs, and no part of one",
    ("--trial-gpus", "1", "--workers", "0"): "trial-gpus: 1 is a worker's, and workers is 0: "
    "give one, or leave it open",
}


@pytest.mark.parametrize("options", REFUSED)
def test_gpus_that_are_not_there_are_refused_in_a_line(options: tuple[str, ...], job_uri: str) -> None:
    line = one_line_error(hpo(job_uri, "search", *options, CUDA_VISIBLE_DEVICES=""))
    assert line == f"Error: {REFUSED[options]}"
