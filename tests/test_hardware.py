import os
import subprocess
import sys
import time

import psutil

from mlflow_hpo.hardware import Usage, machine, usable_cores, versions


def test_the_machine_is_described() -> None:
    facts = machine()
    assert facts["cpu"].strip()
    assert int(facts["cpu_cores"]) == os.cpu_count()
    assert float(facts["memory_gb"]) > 0.1
    assert {"host", "os", "python"} <= set(facts)
    assert ("gpu" in facts) == ("gpu_driver" in facts)


def test_usage_counts_wall_and_cpu_seconds() -> None:
    usage = Usage()
    time.sleep(0.3)
    asleep = usage.cpu_seconds
    while usage.cpu_seconds < asleep + 0.2:
        sum(range(1000))
    assert usage.seconds > 0.45
    assert asleep < 0.25


def test_peak_memory_is_that_of_the_time_since() -> None:
    before = Usage()
    block = bytearray(os.urandom(1 << 20) * 200)
    assert before.peak_memory_bytes > 200 << 20
    del block
    held = psutil.Process().memory_info().rss
    assert Usage().peak_memory_bytes < held + (60 << 20)


def test_versions_leave_out_what_is_not_installed() -> None:
    assert set(versions("mlflow", "no-such-package")) == {"mlflow"}


def test_there_is_a_core_to_use() -> None:
    assert 1 <= usable_cores() <= (os.cpu_count() or 1)


def test_the_package_can_be_imported_on_windows() -> None:
    program = (
        "import pkgutil, sys\n"
        "import psutil  # needs `resource` itself, on Linux only\n"
        "sys.modules.update(dict.fromkeys(('fcntl', 'resource')))\n"
        "import mlflow_hpo, mlflow_hpo.settings, mlflow_hpo.api, mlflow_hpo.hardware, mlflow_hpo.data\n"
        "for module in pkgutil.walk_packages(mlflow_hpo.data.__path__, 'mlflow_hpo.data.'):\n"
        "    __import__(module.name)\n"
        "assert callable(mlflow_hpo.tune)\n"
        "assert mlflow_hpo.hardware.Usage().peak_memory_bytes > 1 << 20\n"
        "print(mlflow_hpo.data.load_data(mlflow_hpo.data.DataSpec('digits')).name)"
    )
    ended = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ended.stdout.strip() == "digits"
