"""A model is loaded once where the user's code is not: the study's first, and the one to be registered."""

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import psutil
import pytest
from rich.console import Console
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mlflow_hpo.data import DataSpec
from mlflow_hpo.errors import GateError
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import LATEST, Connection, StudyRun, find_study
from mlflow_hpo.store.models import log_model
from mlflow_hpo.study import lifecycle
from mlflow_hpo.study.source import Given
from mlflow_hpo.trial import State
from mlflow_hpo.user_code import load_reference
from mlflow_hpo.worker.loading import fresh_process, submit_load

X, Y = np.ones((4, 2)), np.arange(4.0)
MINE = """
import threading
import mlflow
lock = threading.Lock()  # nobody can pickle it
class Mine(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        with lock:
            return model_input
def objective(trial):
    trial.report(1, {"loss": trial.config["x"]})
    trial.log_model("pyfunc", Mine(), pip_requirements=[])
def locked(x):
    with lock:
        return x
def triple(x):
    return factor() * x
def factor():
    return 3
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    file = tmp_path / f"mine_{tmp_path.name}.py"
    file.write_text(MINE)
    return str(file)


@pytest.fixture(scope="module")
def process() -> Iterator[Executor]:
    spec = ObjectiveSpec("sklearn.linear_model:Ridge", DataSpec("digits"))
    with fresh_process(spec) as executor:
        yield executor


@pytest.fixture
def load(process: Executor, connection: Connection, experiment: str) -> Callable[..., str]:
    """Logs an estimator that begins with a function, and loads it once in a process of its own."""

    def load(function: Any, inverse: Any = None) -> str:
        run_id = connection.client.create_run(experiment).info.run_id
        model = make_pipeline(FunctionTransformer(function, inverse, check_inverse=False), Ridge()).fit(X, Y)
        how: Any = {"pip_requirements": [], "serialization_format": "cloudpickle"}
        uri, _ = log_model(connection, experiment, run_id, "sklearn", model, 1, inputs=X, outputs=Y, **how)
        try:
            return str(submit_load(process, uri, connection.uri).result(120))
        finally:
            process.shutdown()

    return load


def test_what_is_installed_can_be_loaded(load: Callable[..., str]) -> None:
    assert load(np.square) == ""


def test_a_module_that_is_not_installed_cannot_wherever_this_process_finds_it(
    load: Callable[..., str], mine: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    locked = load_reference(f"{mine}:locked", "model")
    assert load(locked) == f"ModuleNotFoundError: No module named '{locked.__module__}'"


def test_one_that_can_be_put_into_the_model_is_not_missed(load: Callable[..., str], mine: str) -> None:
    assert load(load_reference(f"{mine}:triple", "model")) == ""


def test_nor_can_this_package(load: Callable[..., str]) -> None:
    assert load(np.square, usable_cores).startswith("ModuleNotFoundError: No module named 'mlflow_hpo")


def test_a_model_that_is_gone_tells_nothing(process: Executor, connection: Connection) -> None:
    with pytest.raises(Exception, match="m-0123456789abcdef0123456789abcdef"):
        submit_load(process, "models:/m-0123456789abcdef0123456789abcdef", connection.uri).result(120)


@pytest.fixture
def store(own_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "job")
    yield own_uri
    mlflow.set_tracking_uri(before)


def searched(tmp_path: Path, space: str, **options: Any) -> tuple[str, StudyRun]:
    """What a search prints, and its study."""
    console = Console(file=io.StringIO(), width=400)
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    try:
        given = Given(tmp_path, space_text=space)
        lifecycle.start(read_settings({"max_trials": 2, "workers": 1, **options}), console, given)
    finally:
        left = [c for c in psutil.Process().children(recursive=True) if c.pid not in before]
        assert not [c for c in left if "forkserver" not in " ".join(c.cmdline())], "no process is left"
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue(), find_study(Connection(), LATEST)


def test_a_study_whose_first_model_cannot_be_loaded_says_so_once_and_goes_on(
    store: str, mine: str, tmp_path: Path
) -> None:
    printed, run = searched(tmp_path, "x: [1, 2]", model=f"{mine}:objective")
    line = (
        "the model of trial 0 cannot be loaded in a fresh process, where your code is not: "
        f"ModuleNotFoundError: No module named '{Path(mine).stem}'"
    )
    assert printed.count(f"warning: {line}") == printed.count("warning: ") == 1
    assert [*run.loads.values()] == [line]
    assert [t.state for t in run.trials.load()] == [State.FINISHED] * 2
    assert line in run.tags["mlflow.note.content"], "the description says it"
    text = io.StringIO()
    lifecycle.resume(run.run_id, {"max_trials": 3}, Console(file=text))
    assert "warning" not in text.getvalue(), "it is known"
    with pytest.raises(GateError, match=f"m: nothing is registered: the model of .*'{Path(mine).stem}'"):
        lifecycle.resume(run.run_id, {"register": "m", "force": True}, Console(quiet=True))
    assert not run.connection.client.search_registered_models()


def test_a_model_that_can_be_loaded_is_not_spoken_of(store: str, mine: str, tmp_path: Path) -> None:
    """Not even one of the user's code: that is put into it."""
    Path(mine).write_text(
        MINE + "from sklearn.pipeline import make_pipeline\n"
        "from sklearn.preprocessing import FunctionTransformer\n"
        "from sklearn.tree import DecisionTreeClassifier\n"
        "def make(depth=2):\n"
        "    return make_pipeline(FunctionTransformer(triple), DecisionTreeClassifier(max_depth=depth))\n"
    )
    options = {"model": f"{mine}:make", "data": "digits", "register": "tree", "top_k": 1}
    printed, run = searched(tmp_path, "depth: [1, 2]", **options)
    assert "warning" not in printed
    assert {*run.loads.values()} == {""}
    assert run.connection.client.get_model_version_by_alias("tree", "champion")
