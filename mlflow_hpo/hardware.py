"""Describes this machine and measures what a trial uses of it.

`psutil` and `nvidia-ml-py` are asked. A value that neither of them can give is left out.
"""

import os
import platform
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

HOST = "MLFLOW_HPO_HOST"  # the environment variable that names a host whose own name does not tell it


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
    return description | _gpus()


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


def _gpus() -> dict[str, str]:
    with _nvml() as nvml:
        if nvml is None:
            return {}
        gpus = {}
        with suppress(nvml.NVMLError):
            gpus["gpu"] = ", ".join(_gpu(nvml, i) for i in range(nvml.nvmlDeviceGetCount()))
        with suppress(nvml.NVMLError):
            gpus["gpu_driver"] = str(nvml.nvmlSystemGetDriverVersion())
        return gpus


def _gpu(nvml: Any, index: int) -> str:
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    name = str(nvml.nvmlDeviceGetName(device))
    with suppress(nvml.NVMLError):  # a part of a GPU may not tell its memory
        name += f" ({nvml.nvmlDeviceGetMemoryInfo(device).total / 2**30:.0f} GB)"
    return name


def _gpu_memory(nvml: Any, index: int) -> int | None:
    """Returns the bytes this process holds on one GPU; None if it is not listed, as in some containers."""
    processes = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(index))
    held = [p.usedGpuMemory or 0 for p in processes if p.pid == os.getpid()]
    return sum(held) if held else None
