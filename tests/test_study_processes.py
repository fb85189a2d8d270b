"""A study whose worker ends, and one that has no workers."""

import gc
import os
import signal
import tempfile
from collections.abc import Callable
from pathlib import Path

from conftest import begun
from plans import make_plan

from mlflow_hpo.execution.serial import SerialExecutor
from mlflow_hpo.store import Connection
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State
from mlflow_hpo.worker.startup import environment, load


def test_an_objective_that_ends_its_worker_fails_its_trial_whatever_the_exit_status(
    start: Callable[..., Study], tmp_path: Path
) -> None:
    (tmp_path / "leaving.py").write_text(
        "import os\n"
        "def objective(config):\n"
        "    if config['x'] in (0, 3):\n"
        "        os._exit(config['x'])\n"
        "    return config['x']\n"
    )
    options = {
        "model": f"{tmp_path}/leaving.py:objective",
        "algorithm": "grid",
        "max_trials": 4,
        "retries": 0,
    }
    study = start(options, "x: [1, 0, 3, 2]")
    study.drive()
    assert {t.config["x"]: t.reason for t in study.known if t.state is State.FAILED} == {
        0: "its worker ended with exit status 0",
        3: "its worker ended with exit status 3",
    }
    assert sorted(t.config["x"] for t in study.known if t.state is State.FINISHED) == [1, 2]


def test_a_study_without_workers_trains_in_this_process(
    connection: Connection, experiment: str, tmp_path: Path
) -> None:
    (tmp_path / "here.py").write_text(
        "import os\n"
        "def objective(config):\n"
        "    if config['x'] == 0.2:\n"
        "        raise KeyError(os.getpid())\n"
        "    return config['x']\n"
    )
    options = {"model": f"{tmp_path}/here.py:objective", "algorithm": "grid", "max_trials": 3}
    plan = make_plan(options, "x: [0.1, 0.2, 0.3]", SerialExecutor())
    variables = environment(plan.spec, 1)
    before, frozen = (signal.getsignal(signal.SIGINT), tempfile.tempdir), gc.get_freeze_count()
    set_before = {name: os.environ.get(name) for name in variables}
    study = begun(connection, experiment, plan, SerialExecutor(load, (plan.spec,)))
    study.drive()
    assert {t.config["x"]: t.reason for t in study.known if t.state is State.FAILED} == {
        0.2: f"KeyError: {os.getpid()}"
    }
    assert sorted(t.loss or 0 for t in study.known if t.state is State.FINISHED) == [0.1, 0.3]
    assert (signal.getsignal(signal.SIGINT), tempfile.tempdir) == before
    assert gc.get_freeze_count() <= frozen  # what was frozen before may go meanwhile
    assert {name: os.environ.get(name) for name in variables} == set_before
