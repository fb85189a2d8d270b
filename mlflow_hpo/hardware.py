"""What machine a trial ran on, and what it used.

`psutil`, `py-cpuinfo` and `nvidia-ml-py` are asked; what one of them cannot tell is left out.
"""

import os
import platform
import resource
import socket
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import psutil


@lru_cache(maxsize=1)
def machine() -> dict[str, str]:
    """This machine: host, operating system, CPU, memory, GPUs, Python. Looked up once in a process."""
    facts = {
        "host": socket.gethostname(),
        "os": platform.platform(),
        "cpu": _cpu_model(),
        "cpu_cores": str(os.cpu_count()),
        "memory_gb": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "python": platform.python_version(),
    }
    return facts | _gpus()


def versions(*packages: str) -> dict[str, str]:
    """The installed version of each package that is installed."""
    found = {}
    for package in packages:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def usable_cores() -> int:
    """The cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


class Usage:
    """What this process uses from now on; one at a time in a process."""

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
        """The most resident memory so far; where there is no /proc, since the process began."""
        with suppress(OSError):
            for line in Path("/proc/self/status").read_text().splitlines():
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if platform.system() == "Darwin" else peak * 1024

    @property
    def gpu_memory_bytes(self) -> int | None:
        """GPU memory that this process holds, over all GPUs; None without a GPU."""
        with _nvml() as nvml:
            if nvml is None:
                return None
            with suppress(nvml.NVMLError):
                used = [_gpu_memory(nvml, i) for i in range(nvml.nvmlDeviceGetCount())]
                own = [memory for memory in used if memory is not None]
                return sum(own) if own else None
        return None


def _cpu_seconds() -> float:
    times = psutil.Process().cpu_times()
    return float(times.user + times.system)


def _reset_peak_memory() -> None:
    with suppress(OSError):  # Linux only
        Path("/proc/self/clear_refs").write_text("5")


def _cpu_model() -> str:
    with suppress(OSError):  # Linux; py-cpuinfo would take two seconds to say the same
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    import cpuinfo

    brand = cpuinfo.get_cpu_info().get("brand_raw")
    return str(brand or platform.processor() or platform.machine())


@contextmanager
def _nvml():  # type: ignore[no-untyped-def]
    """NVIDIA's management library, or None where there is no driver."""
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
        facts = {}
        with suppress(nvml.NVMLError):
            found = [_gpu(nvml, i) for i in range(nvml.nvmlDeviceGetCount())]
            facts["gpu"] = ", ".join(found)
        with suppress(nvml.NVMLError):
            facts["gpu_driver"] = str(nvml.nvmlSystemGetDriverVersion())
        return facts
    return {}


def _gpu(nvml, index: int) -> str:  # type: ignore[no-untyped-def]
    device = nvml.nvmlDeviceGetHandleByIndex(index)
    name = str(nvml.nvmlDeviceGetName(device))
    with suppress(nvml.NVMLError):  # a part of a GPU may not tell
        name += f" ({nvml.nvmlDeviceGetMemoryInfo(device).total / 2**30:.0f} GB)"
    return name


def _gpu_memory(nvml, index: int) -> int | None:  # type: ignore[no-untyped-def]
    """What this process holds on one GPU; None where it is not listed: a container may renumber it."""
    processes = nvml.nvmlDeviceGetComputeRunningProcesses(nvml.nvmlDeviceGetHandleByIndex(index))
    own = [p.usedGpuMemory or 0 for p in processes if p.pid == os.getpid()]
    return sum(own) if own else None
