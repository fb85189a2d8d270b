"""The process that workers are forked from. Linux only: elsewhere there is none."""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import CancelledError, wait
from pathlib import Path

import numpy as np
import psutil
import pytest
from contracts import WAIT, answer, until

from mlflow_hpo.data import DataSpec
from mlflow_hpo.execution.executor import WorkerLost, answered
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.worker.process import environment, warm_up

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers are forked on Linux only")

NUMPY = Preload(("numpy",), {"OPENBLAS_NUM_THREADS": "1"})
SLOW = "import time\ntime.sleep(30)\n"
FUNCTION = ObjectiveSpec("nothing.py:objective", DataSpec(""))
DRIVER = """
import os, sys, time
from mlflow_hpo.data import DataSpec
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.worker.process import warm_up
from mlflow_hpo.objectives.spec import ObjectiveSpec

workers = LocalExecutor(2, warm_up, (ObjectiveSpec("nothing.py:objective", DataSpec("")), 1))
pids = [f.result() for f in [workers.submit(os.getpid) for _ in range(2)]]
print(workers.submit(os.getppid).result(), *pids, flush=True)
time.sleep(600)
"""


def one(limit: int = 2**31) -> int:
    return int(np.random.randint(limit))


def about() -> tuple[int, str, str, str | None]:
    """The template, and what the worker finds around it."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    return os.getppid(), str(Path.cwd()), multiprocessing.get_start_method(), main


def fails_at_first(file: str) -> int:
    """Kill the worker's parent once."""
    if not Path(file).exists():
        Path(file).touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return os.getpid()


def gone(*pids: int) -> Callable[[], bool]:
    return lambda: not any(psutil.pid_exists(pid) for pid in pids)


def test_workers_are_forked_from_one_process_that_has_loaded_the_libraries() -> None:
    with LocalExecutor(2, loaded=NUMPY) as workers:
        found = [future.result(WAIT) for future in [workers.submit(os.getppid) for _ in range(2)]]
        (template,) = set(found)
        assert template != os.getpid()
        assert psutil.Process(template).ppid() == os.getpid()
        assert "_multiarray_umath" in Path(f"/proc/{template}/maps").read_text()


def test_a_worker_knows_the_driver_s_folder_and_not_its_script() -> None:
    with LocalExecutor(1, loaded=NUMPY) as workers:
        _, folder, method, main = workers.submit(about).result(WAIT)
    assert (folder, method, main) == (str(Path.cwd()), "spawn", None)


def test_workers_do_not_draw_the_same_random_numbers() -> None:
    with LocalExecutor(2, loaded=NUMPY) as workers:
        drawn = [future.result(WAIT) for future in [workers.submit(one) for _ in range(2)]]
    assert len(set(drawn)) == 2


@pytest.mark.parametrize("threads", [1, 2])
def test_with_all_libraries_the_template_has_one_thread(threads: int) -> None:
    spec = ObjectiveSpec("mlp", DataSpec("digits"))
    loaded = Preload(libraries(spec), environment(spec, threads))
    with LocalExecutor(1, loaded=loaded) as workers:
        template = psutil.Process(workers.submit(os.getppid).result(WAIT))
        maps = Path(f"/proc/{template.pid}/maps").read_text()
        assert "libtensorflow" in maps
        assert template.num_threads() == 1


def test_what_is_loaded_follows_from_the_subject(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
def test_where_no_template_can_be_told_what_to_do_workers_start_alone(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Notebooks append paths that are no strings; the name of a socket may have 107 characters."""
    if fault == "path":
        monkeypatch.setattr(sys, "path", [*sys.path, tmp_path])
    else:
        (tmp_path / ("long" * 20)).mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("long" * 20)))
    with LocalExecutor(1, loaded=NUMPY) as workers:
        assert workers.submit(os.getppid).result(WAIT) == os.getpid()


def test_a_unit_that_was_cancelled_is_waited_for_no_longer() -> None:
    with LocalExecutor(1, loaded=NUMPY) as workers:
        future = workers.submit(time.sleep, 60)
        assert future.cancel()
        assert wait([future], WAIT).done == {future}


def test_the_template_is_gone_after_a_shutdown_and_comes_again() -> None:
    with LocalExecutor(1, loaded=NUMPY) as workers:
        first = workers.submit(os.getppid).result(WAIT)
        workers.shutdown()
        assert gone(first)()
        second = workers.submit(os.getppid).result(WAIT)
        assert psutil.pid_exists(second)
    assert gone(first, second)()


def test_a_shutdown_does_not_wait_for_what_is_being_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_load.py").write_text(SLOW)
    monkeypatch.syspath_prepend(str(tmp_path))
    workers = LocalExecutor(2, loaded=Preload(("slow_to_load",))).start()
    began = time.monotonic()
    futures = [workers.submit(answer, number) for number in range(3)]
    assert until(lambda: any("forkserver" in " ".join(p.cmdline()) for p in psutil.Process().children()))
    assert futures[2].cancel()
    time.sleep(1)
    workers.shutdown()
    assert time.monotonic() - began < 10
    with pytest.raises(CancelledError):
        futures[2].result(WAIT)
    with pytest.raises(CancelledError):
        futures[0].result(WAIT)


def test_a_killed_template_costs_only_what_runs(tmp_path: Path) -> None:
    with LocalExecutor(2, warm_up, (FUNCTION, 1), loaded=NUMPY) as workers:
        first = [future.result(WAIT) for future in [workers.submit(os.getpid) for _ in range(2)]]
        with pytest.raises(WorkerLost):
            workers.submit(fails_at_first, str(tmp_path / "once")).result(WAIT)
        assert until(gone(*first))
        again = [workers.submit(fails_at_first, str(tmp_path / "once")) for _ in range(2)]
        assert len({future.result(WAIT) for future in again}) == 2


def test_a_template_killed_while_it_loads_fails_the_future_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mortal.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with LocalExecutor(1, loaded=Preload(("mortal",))) as workers:
        for _ in range(2):
            with pytest.raises(Exception, match=r"^a worker died while it was tried: the process that loads"):
                answered(workers.submit(answer, 1), "it was tried")


def test_a_library_that_cannot_be_imported_is_left_to_the_worker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with LocalExecutor(1, loaded=Preload(("broken", "missing", "numpy"))) as workers:
        assert workers.submit(answer, 4).result(WAIT) == 8


def test_neither_template_nor_workers_outlive_a_killed_driver(tmp_path: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER], stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert driver.stdout
    pids = [int(pid) for pid in driver.stdout.readline().split()]
    assert len(pids) == 3
    assert not gone(pids[0])()
    driver.kill()
    driver.wait()
    assert until(gone(*pids))
    driver.stdout.close()


def test_ctrl_c_reaches_neither_template_nor_workers(tmp_path: Path) -> None:
    with LocalExecutor(1, loaded=NUMPY) as workers:
        template = workers.submit(os.getppid).result(WAIT)
        for pid in (template, workers.submit(os.getpid).result(WAIT)):
            os.kill(pid, signal.SIGINT)
        time.sleep(0.3)
        assert workers.submit(os.getppid).result(WAIT) == template
