"""What the commands do: the command line and, later, Python and MLflow's plugins are skins over these.

MLflow and Hyperopt take seconds to import, and workers take longer still to import TensorFlow. So bad
settings are refused before any of that, and the driver imports while its workers do.
"""

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console

from mlflow_hpo.errors import Interrupted, StudyError
from mlflow_hpo.executors import LocalExecutor
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.inputs import Inputs
from mlflow_hpo.settings import RESUMABLE, Settings, check_registration, make_settings
from mlflow_hpo.signals import Signals
from mlflow_hpo.worker import warm_up, watch_parent

if TYPE_CHECKING:
    from mlflow_hpo.report.registry import Registered
    from mlflow_hpo.store import StudyRun
    from mlflow_hpo.study import Study

PROJECT_RUN = "MLFLOW_RUN_ID"  # set by `mlflow run`; left there, it would claim the workers' runs


def search(options: Mapping[str, Any], console: Console) -> None:
    """Run a study from its options, in MLflow's project run or one of its own.

    A project run that is a study already is resumed, provided that the options are those it began with.
    """
    inputs = Inputs.from_options(options)
    run_id = os.environ.pop(PROJECT_RUN, None)
    if run_id:  # when `mlflow run` is ended, it takes its project along
        watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with _workers(inputs.settings, inputs.settings.worker_count) as executor:
        executor.start()
        from mlflow_hpo.store import Connection, new_study, open_run, store_errors

        inputs.settings.make_algorithm(inputs.space)
        with store_errors():
            connection = Connection()
            project = open_run(connection, run_id) if run_id else None
            begun = project is not None and project.is_study
            inputs = (inputs.as_begun(project) if project and begun else inputs).warmed(connection, console)
            with Signals() as signals:
                run = project or new_study(connection)
                if begun:  # where that is refused the study stays as it is: another process may drive it
                    _take_over(run, inputs)
                with _ended(run, project is not None):
                    if not begun:
                        run.begin(inputs.settings.dump(), *inputs.texts)
                        run.show_metric(inputs.settings.metric, inputs.settings.maximize)
                    study = _drive(run, inputs, executor, console, signals)
            _finish(study, executor, console)


def resume(name: str, options: Mapping[str, Any], console: Console) -> None:
    """Go on with a study: finish what was cut, and train what is missing.

    Args:
        options: those that were given anew; others stay as they were.
    """
    from mlflow_hpo.store import Connection, find_study, store_errors

    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        inputs = Inputs.from_study(run, options).warmed(run.connection, console)
        with _workers(inputs.settings, inputs.settings.worker_count) as executor:
            with Signals() as signals:
                _take_over(run, inputs)
                with _ended(run):
                    study = _drive(run, inputs, executor, console, signals)
            _finish(study, executor, console)


def report(name: str, top: int, style: str, register_as: str, alias: str, console: Console) -> None:
    """Rank a study's trials and, where `register_as` is given, register its best model."""
    check_registration(register_as or None, alias)
    from mlflow_hpo.report import ranking, registry
    from mlflow_hpo.store import Connection, find_study, store_errors

    ranking.check_format(style)
    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        settings = make_settings(run.settings)
        trials = run.trials.load()
        if style == "table":
            console.print(
                f"study {run.name} ({run.run_id}), {run.state}", highlight=False, markup=False, soft_wrap=True
            )
        print(ranking.formatted(ranking.rank(settings, trials, top), style))
        if register_as:
            registry.check_registrable(run, trials)
            with _workers(settings, 1) as executor:
                _print_registered(registry.register(run, settings, trials, register_as, alias, executor))


def _drive(
    run: "StudyRun", inputs: Inputs, executor: LocalExecutor, console: Console, signals: Signals
) -> "Study":
    from mlflow_hpo.display import Display
    from mlflow_hpo.study import Study

    given, earlier = inputs.given, inputs.earlier
    with Display(console) as display:
        study = Study(run, inputs.settings, inputs.space, executor, display, signals, given, earlier)
        study.drive()
    return study


def _finish(study: "Study", executor: LocalExecutor, console: Console) -> None:
    from mlflow_hpo.display import print_end
    from mlflow_hpo.report import registry

    settings = study.settings
    print_end(console, study)
    if settings.register_as:
        name, alias = settings.register_as, settings.alias
        _print_registered(registry.register(study.run, settings, study.known, name, alias, executor))


@contextmanager
def _ended(run: "StudyRun", of_project: bool = False) -> Iterator[None]:
    """Whatever goes wrong, the study's run does not stay RUNNING."""
    from mlflow_hpo.store import set_killed_after
    from mlflow_hpo.trial import State

    try:
        yield
    except Interrupted:
        if of_project:
            set_killed_after(run.connection.uri, run.run_id, _mlflow_process())
        raise
    except BaseException as error:
        if not run.is_over:  # what fails while it is driven has ended it already
            with suppress(Exception):  # the store may be what failed
                run.end(State.FAILED, str(error) or type(error).__name__)
        raise


def _mlflow_process() -> int:
    """The `mlflow run` above this process, or the nearest that there is."""
    above = psutil.Process().parents()
    return next((p.pid for p in reversed(above) if "mlflow" in " ".join(p.cmdline()[:3])), os.getppid())


@contextmanager
def _workers(settings: Settings, count: int) -> Iterator[LocalExecutor]:
    threads = max(1, usable_cores() // count)
    with tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True) as folder:
        start = (settings.model, settings.data, settings.split_seed, threads, folder)
        with LocalExecutor(count, warm_up, start) as executor:
            yield executor


def _take_over(run: "StudyRun", inputs: Inputs) -> None:
    """Become the driver of a study that another process began.

    Raises:
        StudyError: another process still drives it, or it would go on as another study than it began.
    """
    settings = inputs.settings
    before, now = make_settings(run.settings).dump(), settings.dump()
    for key in now:
        if key not in (*RESUMABLE, "space") and before[key] != now[key]:
            raise StudyError(
                f"study {run.run_id} began with {key} {before[key]!r}, not {now[key]!r}: "
                f"a resume may change {', '.join(RESUMABLE)}"
            )
    if inputs.texts[0] != run.space_text:
        raise StudyError(
            f"study {run.run_id} began with another space than that of {settings.space or 'the model'}"
        )
    if other := run.other_driver():
        raise StudyError(f"study {run.run_id} is being run by {other}: wait for it or stop it")
    run.drive_again(settings.dump())


def _print_registered(found: "Registered") -> None:
    tested = ", ".join(f"{k} {v:.4f}" for k, v in found.scores.items())
    print(f"registered trial {found.trial} as {found.name} version {found.version} ({tested})")
    print(f"load it with mlflow.pyfunc.load_model('models:/{found.name}@{found.alias}')")
