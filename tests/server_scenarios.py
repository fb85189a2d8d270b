"""What is tried in a process that has started no worker yet: each has one fork server, and it loads once."""

import os
import signal
import sys
import time
from concurrent.futures import CancelledError
from pathlib import Path

import psutil
import pytest
from processes import WAIT, answer, gone, until

from mlflow_hpo.data import DataSpec
from mlflow_hpo.execution.executor import WorkerLost, answered
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.worker.startup import environment, warm_up

NUMPY = Preload(("numpy",), {"OPENBLAS_NUM_THREADS": "1"})
FUNCTION = ObjectiveSpec("nothing.py:objective", DataSpec(""))


def has_loaded(pid: int, library: str) -> bool:
    return library in Path(f"/proc/{pid}/maps").read_text()


def drawn(limit: int = 2**31) -> int:
    import numpy as np

    return int(np.random.randint(limit))


def variables() -> dict[str, str]:
    return dict(os.environ)


def has_imported(module: str) -> bool:
    return module in sys.modules


def import_it(module: str) -> str:
    return str(__import__(module).__name__)


def threads_of_libraries() -> list[int]:
    from threadpoolctl import threadpool_info

    return [library["num_threads"] for library in threadpool_info()]


def kill_the_server_once(file: str) -> int:
    if not Path(file).exists():
        Path(file).touch()
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(60)
    return os.getpid()


def workers_are_forked_from_one_process_that_has_loaded_the_libraries() -> None:
    with LocalExecutor(2, loaded=NUMPY) as workers:
        parents = [future.result(WAIT) for future in [workers.submit(os.getppid) for _ in range(2)]]
        (server,) = set(parents)
        assert server != os.getpid()
        assert psutil.Process(server).ppid() == os.getpid()
        assert has_loaded(server, "_multiarray_umath")
        numbers = [future.result(WAIT) for future in [workers.submit(drawn) for _ in range(2)]]
        assert len(set(numbers)) == 2, "a fork copies the state of random numbers"


def with_all_libraries_the_server_has_one_thread(threads: int) -> None:
    from mlflow_hpo.execution.imports import libraries

    spec = ObjectiveSpec("mlp", DataSpec("digits"))
    loaded = Preload(libraries(spec), environment(spec, threads))
    with LocalExecutor(1, warm_up, (spec, threads), loaded=loaded) as workers:
        server = psutil.Process(workers.submit(os.getppid).result(WAIT))
        assert has_loaded(server.pid, "libtensorflow")
        assert server.num_threads() == 1
        assert workers.submit(variables).result(WAIT)["OMP_NUM_THREADS"] == str(threads)


def a_second_study_has_its_own_environment_and_imports_what_is_missing(folder: str) -> None:
    Path(folder, "first_library.py").write_text("import os\nos.environ['KEPT'] = 'by a library'\n")
    Path(folder, "second_library.py").touch()
    sys.path.append(folder)
    os.environ["OF_THE_FIRST"] = "yes"
    first = Preload(("first_library", "numpy"), environment(FUNCTION, 1))
    with LocalExecutor(1, warm_up, (FUNCTION, 1), loaded=first) as one:
        server = one.submit(os.getppid).result(WAIT)
        found = one.submit(variables).result(WAIT)
        assert set(one.submit(threads_of_libraries).result(WAIT)) == {1}
        assert (found["OMP_NUM_THREADS"], found["OF_THE_FIRST"]) == ("1", "yes")
    os.environ["OF_THE_SECOND"] = "yes"
    del os.environ["OF_THE_FIRST"]
    second = Preload(("second_library",), environment(FUNCTION, 2))
    with LocalExecutor(2, warm_up, (FUNCTION, 2), loaded=second) as other:
        assert other.submit(os.getppid).result(WAIT) == server
        found = other.submit(variables).result(WAIT)
        assert found["OF_THE_SECOND"] == "yes"
        assert not {"OF_THE_FIRST", "MLFLOW_HPO_PRELOAD"} & set(found)
        assert found["OMP_NUM_THREADS"] == "2"
        assert found["KEPT"] == "by a library"
        assert set(other.submit(threads_of_libraries).result(WAIT)) == {2}
        assert other.submit(has_imported, "first_library").result(WAIT)
        assert not other.submit(has_imported, "second_library").result(WAIT)
        assert other.submit(import_it, "second_library").result(WAIT) == "second_library"


def a_shutdown_does_not_wait_for_what_is_being_loaded(folder: str) -> None:
    sys.path.append(folder)
    workers = LocalExecutor(2, loaded=Preload(("slow_to_load",))).start()
    began = time.monotonic()
    futures = [workers.submit(answer, number) for number in range(3)]
    assert until(Path(folder, "loads").exists)
    assert futures[2].cancel()
    workers.shutdown()
    assert time.monotonic() - began < 5
    for future in futures:
        with pytest.raises(CancelledError):
            future.result(WAIT)
    print("over", flush=True)


def a_killed_server_costs_only_what_runs(folder: str) -> None:
    file = str(Path(folder, "once"))
    with LocalExecutor(2, warm_up, (FUNCTION, 1), loaded=NUMPY) as workers:
        first = [future.result(WAIT) for future in [workers.submit(os.getpid) for _ in range(2)]]
        server = workers.submit(os.getppid).result(WAIT)
        with pytest.raises(WorkerLost):
            workers.submit(kill_the_server_once, file).result(WAIT)
        assert until(lambda: gone(*first))
        again = [workers.submit(kill_the_server_once, file) for _ in range(2)]
        assert len({future.result(WAIT) for future in again}) == 2
        assert workers.submit(os.getppid).result(WAIT) not in (server, os.getpid())
        assert workers.submit(has_imported, "numpy").result(WAIT), "the next one loads the same"


def a_server_killed_while_it_loads_fails_the_future_in_a_line(folder: str) -> None:
    Path(folder, "mortal.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    sys.path.append(folder)
    with LocalExecutor(1, loaded=Preload(("mortal",))) as workers:
        for _ in range(2):
            with pytest.raises(Exception, match=r"^a worker died while it was tried: the process that loads"):
                answered(workers.submit(answer, 1), "it was tried")


def a_library_that_cannot_be_imported_is_left_to_the_worker(folder: str) -> None:
    Path(folder, "broken.py").write_text("1 / 0\n")
    sys.path.append(folder)
    with LocalExecutor(1, loaded=Preload(("broken", "missing", "numpy"))) as workers:
        assert workers.submit(has_imported, "numpy").result(WAIT)


def ctrl_c_reaches_neither_server_nor_workers(folder: str) -> None:
    sys.path.append(folder)
    signal.signal(signal.SIGINT, lambda *_: None)  # unlike SIG_IGN, this is not handed on
    with LocalExecutor(1, warm_up, (FUNCTION, 1), loaded=Preload(("slow_to_load",))) as workers:
        future = workers.submit(os.getppid)
        assert until(Path(folder, "loads").exists)
        os.killpg(os.getpgrp(), signal.SIGINT)  # what a terminal does: while it boots
        server = future.result(WAIT)
        worker = workers.submit(os.getpid).result(WAIT)
        os.killpg(os.getpgrp(), signal.SIGINT)
        time.sleep(0.3)
        assert workers.submit(os.getpid).result(WAIT) == worker
        assert workers.submit(os.getppid).result(WAIT) == server


def nothing_outlives_a_killed_driver() -> None:
    workers = LocalExecutor(2, warm_up, (FUNCTION, 1))
    pids = [future.result(WAIT) for future in [workers.submit(os.getpid) for _ in range(2)]]
    print(workers.submit(os.getppid).result(WAIT), *pids, flush=True)
    time.sleep(600)
