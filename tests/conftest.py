"""What the tests share: a real SQLite store, warm workers, and the command line as a user has it."""

import gc
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import hypothesis
import mlflow
import psutil
import pytest
from commands import called
from plans import FOLDER, WorkerInspector, make_plan
from stores import copied, migrated

from mlflow_hpo.data import load_data
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import Connection, StudyRun
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.resumption import given_again, resumed_settings
from mlflow_hpo.study.setup import StudyPlan, plan
from mlflow_hpo.study.source import Given
from mlflow_hpo.trial import Trial
from mlflow_hpo.worker.dispatch import Dispatcher
from mlflow_hpo.worker.startup import environment as warm_environment
from mlflow_hpo.worker.startup import warm_up

# Keras looks for its cache where this says when it is imported, here and in the workers.
KERAS_HOME = Path(tempfile.mkdtemp(prefix="keras-home-"))
os.environ["KERAS_HOME"] = str(KERAS_HOME)
USER_DATA = Path(tempfile.mkdtemp(prefix="user-data-"))  # what a user's studies run is noted here
os.environ["XDG_DATA_HOME"] = str(USER_DATA)

hypothesis.settings.register_profile("slow machines", deadline=None)
hypothesis.settings.load_profile("slow machines")

PROJECT = Path(__file__).parents[1]
COMMAND_SECONDS = 1200
SLOWEST = (
    "examples", "resume", "project_runs", "tune", "mlflow_run", "gate", "ui", "objectives_best_epoch",
    "models_that_load", "keeping", "objectives_tuner", "objectives_builder", "project_steps",
    "objectives_keras", "objectives_seeding", "objectives_keras_scorers", "given_in_python", "own_models",
    "search", "study", "coming_from",
)  # fmt: skip
MEMORY, ROOM_BYTES, FOLDER_OF = Path("/dev/shm"), 4 << 30, "mlflow-hpo-tests-"


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Temporary folders lie in memory where there is room: a store waits for no disk there."""
    config.option.loadscopereorder = False  # pytest-xdist: not by how many tests a file has
    for folder in (KERAS_HOME, USER_DATA):
        config.add_cleanup(partial(shutil.rmtree, folder, ignore_errors=True))
    if hasattr(config, "workerinput") or config.option.basetemp or not memory_has_room():
        return  # a worker process of pytest-xdist is given a folder in its controller's
    remove_what_was_left()
    config.option.basetemp = tempfile.mkdtemp(prefix=f"{FOLDER_OF}{os.getpid()}-", dir=MEMORY)
    config.add_cleanup(partial(shutil.rmtree, config.option.basetemp, ignore_errors=True))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first, so that no process is left alone with one at the end."""
    places = {name: place for place, name in enumerate(SLOWEST)}
    items.sort(key=lambda item: places.get(item.path.stem.removeprefix("test_"), len(places)))


def memory_has_room() -> bool:
    """Whether files may be kept in memory, and programs started from there."""
    if not os.access(MEMORY, os.W_OK):
        return False
    known = os.statvfs(MEMORY)
    free = min(known.f_bavail * known.f_frsize, psutil.virtual_memory().available // 2)
    return free > ROOM_BYTES and not known.f_flag & os.ST_NOEXEC


def remove_what_was_left() -> None:
    """By test runs that were killed: it would take up memory for ever."""
    for folder in MEMORY.glob(f"{FOLDER_OF}*"):
        if not psutil.pid_exists(int(folder.name.removeprefix(FOLDER_OF).partition("-")[0])):
            shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(autouse=True)
def no_run_of_others(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of a surrounding MLflow project, server or experiment reaches a test, or is left by one."""
    monkeypatch.chdir(tmp_path)  # MLflow lays artifacts into the working folder
    for name in [n for n in os.environ if n.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def quick_collections() -> None:
    """Keras collects all garbage before each model, and need not look at what the imports made for that.

    So it is in workers.
    """
    if "keras" in sys.modules:
        freeze()


@cache
def freeze() -> None:
    """Leaves all that is there now out of later collections."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def new_store(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], str]:
    """Makes a store in a folder, and gives its address."""
    folder = tmp_path_factory.getbasetemp()
    shared = folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder
    return partial(copied, migrated(shared))


@pytest.fixture(scope="session")
def uri(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], str]) -> str:
    """A store that most tests share; each has an experiment of its own."""
    return new_store(tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="session")
def connection(uri: str) -> Connection:
    return Connection(uri)


@pytest.fixture
def experiment(connection: Connection, tmp_path: Path) -> str:
    return connection.client.create_experiment(tmp_path.name, str(tmp_path / "artifacts"))


@pytest.fixture
def own_uri(tmp_path: Path, new_store: Callable[[Path], str]) -> str:
    """A store of one test's own, with an experiment `job`."""
    uri = new_store(tmp_path)
    Connection(uri).client.create_experiment("job", str(tmp_path / "artifacts"))
    return uri


@pytest.fixture(scope="session")
def executor() -> Iterator[LocalExecutor]:
    """A warm worker for everything that trains in this process's studies."""
    spec = make_plan({}).spec
    loaded = Preload(libraries(spec), warm_environment(spec, 1))
    with LocalExecutor(1, warm_up, (spec, 1), loaded=loaded) as workers:
        yield workers


@pytest.fixture
def keras_cache() -> Iterator[Path]:
    """Where `keras.datasets` keeps its files, for one test."""
    folder = KERAS_HOME / "datasets"
    folder.mkdir()
    load_data.cache_clear()
    yield folder
    shutil.rmtree(folder)
    load_data.cache_clear()


class Recording:
    """An observer that keeps what it was told, and may act on it."""

    def __init__(self, on_change: Callable[[Trial], None] | None = None) -> None:
        self.study: Study | None = None
        self.changes: list[Trial] = []
        self.lines: list[str] = []
        self._on_change = on_change

    def began(self, study: Study) -> None:
        self.study = study

    def changed(self, trial: Trial) -> None:
        self.changes.append(trial)
        if self._on_change:
            self._on_change(trial)

    def tick(self) -> None:
        """Time passes."""

    def say(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def start(connection: Connection, experiment: str, executor: LocalExecutor) -> Callable[..., Study]:
    """Begin a study in this process; `drive()` runs it."""

    def begin(
        options: Mapping[str, Any] | None = None, space: str | None = None, observer: Recording | None = None
    ) -> Study:
        given = dict(options or {})
        short = {} if "model" in given else {"max_epochs": 2}
        plan = make_plan({"max_trials": 3, **short, **given}, space or "", executor)
        return begun(connection, experiment, plan, executor, observer)

    return begin


def begun(
    connection: Connection,
    experiment: str,
    plan: StudyPlan,
    executor: Executor,
    observer: Recording | None = None,
) -> Study:
    """A study of a plan, which `drive()` runs."""
    run = StudyRun(connection, connection.client.create_run(experiment))
    info = plan.info
    run.begin(info.settings.dump(), info.record(), info.params(), plan.space_text, plan.start_text)
    return Study(run, plan, executor, observer or Recording())


@pytest.fixture
def again(connection: Connection, executor: LocalExecutor) -> Callable[..., Study]:
    """Go on with a study, as a new driver would: from the store alone."""

    def resume(study: Study, **options: Any) -> Study:
        run = StudyRun(connection, connection.client.get_run(study.run.run_id))
        settings = resumed_settings(run, options)
        given = given_again(run, settings, options, Given(FOLDER))
        planned = plan(settings, given, WorkerInspector(executor))
        run.drive_again(planned.info.settings.dump(), planned.info.record())
        return Study(run, planned, executor, Recording())

    return resume


@pytest.fixture
def store(tmp_path: Path, new_store: Callable[[Path], str]) -> Iterator[str]:
    """A store of the test's own, which MLflow takes by itself."""
    uri, before = new_store(tmp_path), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield uri
    mlflow.set_tracking_uri(before)


@pytest.fixture
def job_uri(own_uri: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store of the test's own, which MLflow takes by itself, with its experiment `job`."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_uri)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "job")
    yield own_uri
    mlflow.set_tracking_uri(before)


def changed(study: Study, **gate: Any) -> Dispatcher:
    """What registers a study's best model, with other settings of the gate."""
    info = study.info
    settings = read_settings(info.settings.dump() | gate)
    return replace(study.dispatcher, info=replace(info, settings=settings))


def printed(value: object) -> str:
    """The name of a case, the same in every process: its value as it is printed, without an address."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))


def environment(uri: str, **more: str) -> dict[str, str]:
    """The environment of a command: the store, and this interpreter's scripts first."""
    path = f"{sysconfig.get_path('scripts')}{os.pathsep}{os.environ['PATH']}"
    return os.environ | {"PATH": path, "MLFLOW_TRACKING_URI": uri} | more


def hpo(uri: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run `mlflow-hpo` to its end, in this process."""
    return called(environment(uri, **more), *arguments)


def hpo_process(uri: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, as a user has it."""
    return run_command([sys.executable, "-m", "mlflow_hpo", *arguments], uri, Path.cwd(), **more)


def run_command(
    command: list[str], uri: str, folder: Path = PROJECT, **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment(uri, **more),
        capture_output=True,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )


def one_line_error(done: subprocess.CompletedProcess[str]) -> str:
    """The single line that a failed command said on its error stream."""
    assert done.returncode != 0, done.stdout
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stdout
    return lines[0]
