"""Says which worker of a machine trains on which of its GPUs: by variables that libraries read."""

import os
from collections.abc import Sequence

from mlflow_hpo.hardware import GPU_MEMORY, VISIBLE_GPUS, Gpu

NONE = "-1"  # as a list of devices: none of them
OWN_PART = 0.9  # of a worker's part of a GPU's memory: CUDA takes some for each process
GROWING = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def environments(gpus: Sequence[Gpu], workers: int, share: float | None) -> list[dict[str, str]]:
    """Returns the variables of each worker.

    Args:
        gpus: those of the machine that may be used.
        share: GPUs of a worker, or a part of one; None: they are shared by the workers.
    """
    is_divided = any(gpu.is_part for gpu in gpus)  # of parts a process sees one alone
    each = 1 if is_divided or not workers else max(1, len(gpus) // workers)
    return [environment(gpus, number, each if share is None else share) for number in range(workers)]


def environment(gpus: Sequence[Gpu], number: int, share: float) -> dict[str, str]:
    """Returns the variables of the worker with this number, which begins at 0."""
    if not gpus:
        return {}
    if not share:
        return {VISIBLE_GPUS: NONE}
    count = max(1, int(share))
    own = [gpus[(number * count + index) % len(gpus)] for index in range(count)]
    variables = {VISIBLE_GPUS: ",".join(gpu.name for gpu in own)}
    variables |= {name: os.environ.get(name, value) for name, value in GROWING.items()}
    if share < 1 and own[0].memory_bytes:
        variables[GPU_MEMORY] = str(int(own[0].memory_bytes * share * OWN_PART) >> 20)
    return variables
