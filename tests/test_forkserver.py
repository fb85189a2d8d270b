"""Workers that are forked from one process, Python's fork server. Linux only: elsewhere they are spawned."""

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import server_scenarios as scenarios
from processes import WAIT, gone, until

from mlflow_hpo.data import DataSpec
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.objectives.spec import ObjectiveSpec

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

SLOW = "import pathlib, time\npathlib.Path({file!r}).touch()\ntime.sleep({seconds})\n"


LINGER = """
import time
class Lingering:
    def __del__(self, sleep=time.sleep):
        sleep({seconds})
lingering = Lingering()
"""


def driver(scenario: Any, *arguments: Any, linger: float = 0) -> subprocess.Popen[str]:
    """Play a scenario in a process that has started no worker yet.

    Args:
        linger: for so many seconds it is still there when its semaphores are gone and its threads stand.
    """
    code = LINGER.format(seconds=linger)
    code += f"import sys\nsys.path[:0] = [{str(Path(__file__).parent)!r}]\nimport server_scenarios as s\n"
    code += f"s.{scenario.__name__}(*{arguments!r})"
    command = [sys.executable, "-c", code]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def play(scenario: Any, *arguments: Any) -> None:
    with driver(scenario, *arguments) as process:
        _, errors = process.communicate(timeout=WAIT)
        assert (process.returncode, errors) == (0, "")


def about() -> tuple[str, str, str | None]:
    """What a worker finds around it."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    return str(Path.cwd()), multiprocessing.get_start_method(), main


def test_a_worker_knows_the_driver_s_folder_and_not_its_script(monkeypatch: pytest.MonkeyPatch) -> None:
    main = sys.modules["__main__"]  # in a process of pytest-xdist's it has no file
    monkeypatch.setattr(main, "__file__", __file__, raising=False)
    with LocalExecutor(1) as workers:
        assert workers.submit(about).result(WAIT) == (str(Path.cwd()), "spawn", None)
    assert main.__file__ == __file__


def test_workers_are_forked_from_one_process_that_has_loaded_the_libraries() -> None:
    play(scenarios.workers_are_forked_from_one_process_that_has_loaded_the_libraries)


@pytest.mark.parametrize("threads", [1, 2])
def test_with_all_libraries_the_server_has_one_thread(threads: int) -> None:
    play(scenarios.with_all_libraries_the_server_has_one_thread, threads)


def test_a_second_study_has_its_own_environment_and_imports_what_is_missing(tmp_path: Path) -> None:
    play(scenarios.a_second_study_has_its_own_environment_and_imports_what_is_missing, str(tmp_path))


@pytest.mark.parametrize(
    "scenario",
    [
        scenarios.a_killed_server_costs_only_what_runs,
        scenarios.a_server_killed_while_it_loads_fails_the_future_in_a_line,
        scenarios.a_library_that_cannot_be_imported_is_left_to_the_worker,
    ],
)
def test_what_goes_wrong_with_the_server(scenario: Any, tmp_path: Path) -> None:
    play(scenario, str(tmp_path))


def slow_to_load(folder: Path, seconds: float) -> None:
    (folder / "slow_to_load.py").write_text(SLOW.format(file=str(folder / "loads"), seconds=seconds))


def test_neither_a_shutdown_nor_the_driver_s_end_waits_for_what_is_being_loaded(tmp_path: Path) -> None:
    slow_to_load(tmp_path, 15)
    with driver(scenarios.a_shutdown_does_not_wait_for_what_is_being_loaded, str(tmp_path)) as process:
        assert process.stdout
        assert process.stdout.readline() == "over\n"
        children = [child.pid for child in psutil.Process(process.pid).children()]
        began = time.monotonic()
        assert process.wait(WAIT) == 0
    assert time.monotonic() - began < 5
    assert until(lambda: gone(*children), 30), "the server ends when it has loaded"


def test_a_worker_that_is_forked_while_the_driver_ends_says_nothing(tmp_path: Path) -> None:
    slow_to_load(tmp_path, 3)
    with driver(
        scenarios.a_shutdown_does_not_wait_for_what_is_being_loaded, str(tmp_path), linger=6
    ) as process:
        _, errors = process.communicate(timeout=WAIT)
    assert errors == ""


def test_ctrl_c_reaches_neither_server_nor_workers(tmp_path: Path) -> None:
    slow_to_load(tmp_path, 2)
    play(scenarios.ctrl_c_reaches_neither_server_nor_workers, str(tmp_path))


def test_neither_server_nor_workers_outlive_a_killed_driver() -> None:
    with driver(scenarios.nothing_outlives_a_killed_driver) as process:
        assert process.stdout
        pids = [int(pid) for pid in process.stdout.readline().split()]
        assert len(set(pids)) == 3
        assert not gone(*pids)
        process.kill()
    assert until(lambda: gone(*pids))


def test_what_is_loaded_follows_from_the_spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("from sklearn.linear_model import SGDClassifier\n")
    (tmp_path / "nets.py").write_text("import keras\n")
    (tmp_path / "first.py").write_text("import os\nos.environ['TF_ENABLE_ONEDNN_OPTS'] = '0'\nimport keras\n")
    monkeypatch.chdir(tmp_path)

    def loads(model: str, data: str = "", project: str = "") -> tuple[bool, bool]:
        found = libraries(ObjectiveSpec(model, DataSpec(data), project=project))
        assert "mlflow_hpo.worker.train" in found
        return "tensorflow" in found, "sklearn.base" in found

    assert loads("mlp") == loads("nets.py:build") == loads("nets:build") == (True, True)
    assert loads("mine.py:build") == loads("missing.py:build", "digits") == (False, True)
    assert loads("missing.py:build") == loads("mlp", "digits", "a project") == (False, False)
    assert loads("first.py:build", "digits") == (False, False), "its code must run before the import"


@pytest.mark.parametrize("fault", ["path", "folder"])
def test_where_no_server_can_be_told_what_to_do_workers_start_alone(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notebooks append paths that are no strings; the name of a socket may have 107 characters."""
    if fault == "path":
        monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    else:
        (tmp_path / ("long" * 20)).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))
    with LocalExecutor(1) as workers:
        assert workers.submit(os.getppid).result(WAIT) == os.getpid()
