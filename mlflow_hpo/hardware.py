"""Describes this machine and measures what a trial uses of it.

`psutil` and `nvidia-ml-py` are asked. A value that neither of them can give is left out.
"""

import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

HOST = "MLFLOW_HPO_HOST"  # the environment variable that names a host whose own name does not tell it
VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
GPU_MEMORY = "MLFLOW_HPO_GPU_MEMORY"  # MiB that a worker may take of its part of a GPU


def host_name() -> str:
    """Returns the name of this machine, or of the container that passes for one."""
    return os.environ.get(HOST) or socket.gethostname()


@lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """Describes this machine: host, operating system, CPU, memory, GPUs, Python. Looked up once a process."""
    description = {
        "host": host_name(),
        "os": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_cores": str(os.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "python": platform.python_version(),
    }
    return description | _gpu_facts()


def versions(*packages: str) -> dict[str, str]:
    """Returns the version of each of the packages that is installed."""
    installed = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            installed[package] = metadata.version(package)
    return installed


def usable_cores() -> int:
    """Counts the cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


@dataclass(frozen=True)
class Gpu:
    """A GPU, or one of the parts that NVIDIA's MIG makes of it.

    Attributes:
        name: what `CUDA_VISIBLE_DEVICES` calls it: its UUID, or what a user wrote there.
        model: for people.
        memory_bytes: 0 if it does not tell.
    """

    name: str
    model: str = ""
    memory_bytes: int = 0
    is_part: bool = False

    def __str__(self) -> str:
        return self.model + (f" ({self.memory_bytes / 2**30:.0f} GB)" if self.memory_bytes else "")


def visible_gpus() -> tuple[Gpu, ...]:
    """Returns the GPUs that this process may use."""
    return narrowed(_gpus(), os.environ.get(VISIBLE_GPUS))


def narrowed(gpus: Sequence[Gpu], visible: str | None) -> tuple[Gpu, ...]:
    """Returns those of a machine's GPUs that a list of devices names, as CUDA reads it.

    Args:
        visible: numbers, or beginnings of UUIDs, up to the first that names no GPU; None: all.
    """
    if visible is None:
        return tuple(gpus)
    kept = list[Gpu]()
    for entry in map(str.strip, visible.split(",")):
        numbered = [replace(gpu, name=entry) for n, gpu in enumerate(gpus) if str(n) == entry]
        meant = numbered or [gpu for gpu in gpus if entry and gpu.name.startswith(entry)]
        if not meant:
            break
        kept += meant[:1]
    return tuple(kept)


def gpu_room(gpus: Sequence[Gpu], share: float) -> int:
    """Returns how many workers there is room for, each of which takes so many GPUs, or a part of one."""
    return len(gpus) // int(share) if share >= 1 else len(gpus) * int(1 / share + 1e-6)


class Usage:
    """Measures what this process uses from now on. A process can have only one at a time."""

    def __init__(self) -> None:
        _reset_peak_memory()
        self._started, self._cpu = time.perf_counter(), _cpu_seconds()

    @property
    def seconds(self) -> float:
        """Wall seconds so far."""
        return time.perf_counter() - self._started

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds of all threads so far."""
        return _cpu_seconds() - self._cpu

    @property
    def peak_memory_bytes(self) -> int:
        """The largest resident memory so far. Without /proc (not Linux): since the process began."""
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        peak: int | None = getattr(psutil.Process().memory_info(), "peak_wset", None)  # Windows
        return _peak_of_unix() if peak is None else peak

    @property
    def gpu_memory_bytes(self) -> int | None:
        """GPU memory that this process holds, summed over all GPUs. None without a GPU."""
        with _nvml() as nvml:
            if nvml is None:
                return None
            with suppress(nvml.NVMLError):
                each = [_gpu_memory(nvml, i) for i in range(nvml.nvmlDeviceGetCount())]
                held = [memory for memory in each if memory is not None]
                return sum(held) if held else None
        return None


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def _reset_peak_memory() -> None:
    with suppress(OSError):  # Linux only
        Path("/proc/self/clear_refs").write_text("5")


def _peak_of_unix() -> int:
    import resource  # Windows has no such module

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def _cpu_model() -> str:
    with suppress(OSError):  # Linux
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    with suppress(OSError, subprocess.SubprocessError):  # macOS
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return platform.processor() or platform.machine()


@contextmanager
def _nvml() -> Iterator[Any]:
    """Gives NVIDIA's management library, or None if there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()


@lru_cache(maxsize=1)
def _gpus() -> tuple[Gpu, ...]:
    """Returns the GPUs of this machine, each part of one that is divided; looked up once a process."""
    with _nvml() as nvml:
        found = list[Gpu]()
        for index in range(nvml.nvmlDeviceGetCount() if nvml else 0):
            with suppress(nvml.NVMLError):  # one that has failed
                found += _parts(nvml, nvml.nvmlDeviceGetHandleByIndex(index))
        return tuple(found)


def _parts(nvml: Any, device: Any) -> list[Gpu]:
    """Returns a GPU, or its parts if it is divided."""
    divided, parts = False, list[Gpu]()
    with suppress(nvml.NVMLError):  # this model cannot be
        divided = nvml.nvmlDeviceGetMigMode(device)[0] == nvml.NVML_DEVICE_MIG_ENABLE
    for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(device) if divided else 0):
        with suppress(nvml.NVMLError):  # there may be fewer
            parts.append(_gpu(nvml, nvml.nvmlDeviceGetMigDeviceHandleByIndex(device, index), is_part=True))
    return parts if divided else [_gpu(nvml, device)]


def _gpu(nvml: Any, device: Any, is_part: bool = False) -> Gpu:
    memory = 0
    with suppress(nvml.NVMLError):  # a part of a GPU may not tell its memory
        memory = int(nvml.nvmlDeviceGetMemoryInfo(device).total)
    return Gpu(str(nvml.nvmlDeviceGetUUID(device)), str(nvml.nvmlDeviceGetName(device)), memory, is_part)


def _gpu_facts() -> dict[str, str]:
    """Describes the GPUs that this process may use."""
    gpus, facts = visible_gpus(), dict[str, str]()
    if gpus:
        facts |= {"gpu": ", ".join(map(str, gpus)), "gpu_device": ",".join(gpu.name for gpu in gpus)}
    with _nvml() as nvml:
        if nvml is not None:
            with suppress(nvml.NVMLError):
                facts["gpu_driver"] = str(nvml.nvmlSystemGetDriverVersion())
    return facts


def _gpu_memory(nvml: Any, index: int) -> int | None:
    """Returns the bytes this process holds on one GPU; None if it is not listed, as in some containers."""
    processes = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(index))
    held = [p.usedGpuMemory or 0 for p in processes if p.pid == os.getpid()]
    return sum(held) if held else None
