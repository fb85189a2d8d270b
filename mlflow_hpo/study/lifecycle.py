"""A study from its beginning to its end: workers, store, driver, registration.

MLflow and Hyperopt take seconds to import, and workers take longer still to import TensorFlow. So bad
settings are refused before any of that, and the driver imports while its workers do.
"""

import os
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import psutil
from rich.console import Console

from mlflow_hpo.errors import GateError, Interrupted, StudyError, worded
from mlflow_hpo.execution.executor import Executor, answered
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload
from mlflow_hpo.execution.spawn import watch_parent
from mlflow_hpo.hardware import usable_cores
from mlflow_hpo.inputs import Describe, Inputs, Request, anew, check_same_space, countable
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.ready import ready
from mlflow_hpo.report.summary import resume_command
from mlflow_hpo.resolve import check_metric
from mlflow_hpo.settings import RESUMABLE, Settings, read_settings
from mlflow_hpo.study.signals import Signals
from mlflow_hpo.worker.inspect import describe, dry_run
from mlflow_hpo.worker.process import environment, warm_up

if TYPE_CHECKING:
    from mlflow_hpo.registry import Way
    from mlflow_hpo.store import StudyRun
    from mlflow_hpo.store.registrations import Registration
    from mlflow_hpo.study.driver import Observer, Study
    from mlflow_hpo.trial import Trial

PROJECT_RUN = "MLFLOW_RUN_ID"  # set by `mlflow run`; left there, it would claim the workers' runs

Shown = Callable[[Console], "AbstractContextManager[Observer]"]  # what shows a study while it runs


def begin(request: Request, console: Console, shown: Shown | None = None) -> "Study":
    """Run a new study, in MLflow's project run or one of its own.

    A project run that is a study already is resumed, provided that the options are those it began with.

    Raises:
        HpoError: it cannot begin, or could not go on.
    """
    with ready(request.settings, request.space_text) as known:
        return _begin(replace(request, settings=known.settings), console, shown, known.tags)


def _begin(request: Request, console: Console, shown: Shown | None, tags: Mapping[str, str]) -> "Study":
    inputs = Inputs.of(request) if request.settings.is_known else None
    count = (inputs or request).settings.worker_count
    run_id = os.environ.pop(PROJECT_RUN, None)
    if run_id:  # when `mlflow run` is ended, it takes its project along
        watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with workers(request.settings, count) as executor:
        executor.start()
        from mlflow_hpo.store import Connection, new_study, open_run, store_errors

        with store_errors():
            connection = Connection()
            inputs = inputs or _surveyed(request, executor)
            inputs.settings.make_algorithm(inputs.space)
            project = open_run(connection, run_id) if run_id else None
            begun = project is not None and project.is_study
            inputs = (inputs.as_begun(project) if project and begun else inputs).warmed(connection, console)
            with Signals() as signals:
                run = project or new_study(connection, tags)
                if begun:  # where that is refused the study stays as it is: another process may drive it
                    _take_over(run, inputs)
                with _ended(run, project is not None):
                    if not begun:
                        run.begin(inputs.settings.dump(), *inputs.texts)
                        run.show_metric(inputs.settings.metric, inputs.settings.maximize)
                    study = _drive(run, inputs, executor, console, signals, shown)
            with _gated(run, project is not None):
                _finish(study, executor, console, signals)
    return study


def go_on(
    name: str,
    options: Mapping[str, Any],
    console: Console,
    shown: Shown | None = None,
    places: Mapping[str, str] | None = None,
    space_text: str = "",
) -> "Study":
    """Go on with a study: finish what was cut, and train what is missing.

    Args:
        options: those that were given anew; others stay as they were.
        places: where the workers find what is given from Python again.
        space_text: the space as Python gives it again; it must be that of the study.

    Raises:
        HpoError: it cannot go on.
    """
    from mlflow_hpo.settings import make_settings
    from mlflow_hpo.store import Connection, find_study, store_errors

    os.environ.pop(PROJECT_RUN, None)
    with store_errors():
        run = find_study(Connection(), name)
        known = make_settings(countable(anew(run.settings, options)), places)
        with (
            ready(known, run.space_text if known.project else "") as found,
            workers(found.settings, known.worker_count) as executor,
        ):
            places = {**(places or {}), **found.places}
            inputs = Inputs.from_study(run, options, _look_with(executor), places, space_text)
            inputs = inputs.warmed(run.connection, console)
            inputs.settings.make_algorithm(inputs.space)  # where it cannot be had, the study stays as it is
            with Signals() as signals:
                _take_over(run, inputs)
                with _ended(run):
                    study = _drive(run, inputs, executor, console, signals, shown)
            _finish(study, executor, console, signals)
    return study


@contextmanager
def workers(settings: Settings, count: int) -> Iterator[LocalExecutor]:
    """Worker processes for a study's spec, and a folder for what they write meanwhile."""
    spec, threads = settings.spec, max(1, usable_cores() // count)
    loaded = Preload(libraries(spec), environment(spec, threads))
    with (
        tempfile.TemporaryDirectory(prefix="mlflow-hpo-", ignore_cleanup_errors=True) as folder,
        LocalExecutor(count, warm_up, (spec, threads, folder), loaded=loaded) as executor,
    ):
        yield executor


def _look_with(executor: Executor) -> Describe:
    def ask(spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        found: tuple[ModelInfo, DataInfo] = answered(executor.submit(describe, spec, name), "it was loaded")
        return found

    return ask


def _surveyed(request: Request, executor: Executor) -> Inputs:
    """The inputs of a user's own model or data: a worker loads them, and tries them on a few rows."""
    inputs = Inputs.of(request, _look_with(executor))
    settings, config = inputs.settings, inputs.model.baseline(inputs.space)
    work = executor.submit(dry_run, settings.spec, config, settings.epochs)
    metrics: tuple[str, ...] | None = answered(work, "it was tried")
    check_metric(settings, metrics)
    return replace(inputs, sure=metrics is not None)


def _drive(
    run: "StudyRun",
    inputs: Inputs,
    executor: Executor,
    console: Console,
    signals: Signals,
    shown: Shown | None,
) -> "Study":
    from mlflow_hpo.study.driver import Study
    from mlflow_hpo.study.terminal import Display

    try:
        with (shown or Display)(console) as display:
            study = Study(run, inputs, executor, display, signals)
            study.drive()
    except StudyError:  # why trials failed is on its page
        log_page(run, console)
        raise
    return study


def _finish(study: "Study", executor: Executor, console: Console, signals: Signals) -> None:
    """What comes after the search; the page is drawn before it too, as it may take long and be cut.

    Raises:
        Interrupted: a signal came as the search ended: what would come after it is left to a resume.
    """
    from mlflow_hpo import registry
    from mlflow_hpo.registry.final import train_final
    from mlflow_hpo.study.terminal import print_end
    from mlflow_hpo.trial import best

    run, settings, winner = study.run, study.settings, best(study.known)
    print_end(console, study)
    log_page(run, console)
    if settings.register_as or settings.wants_final:
        signals.check(resume_command(settings, run.run_id))
    if settings.register_as:
        way = registry.Way(settings.register_as, settings.alias, settings.force)
        with _page_after(run, console):
            registration = registry.register(run, settings, study.known, way, executor, _says(console))
            print_registered(registration, console)
    elif settings.wants_final and winner:
        with _page_after(run, console):
            found = train_final(run, settings, winner, executor)
        _says(console)(found.said)


def register_best(
    run: "StudyRun", settings: Settings, trials: "Sequence[Trial]", way: "Way", console: Console
) -> "Registration | None":
    """Register the best model of a study that is over, with workers of its own; see `registry.register`."""
    from mlflow_hpo import registry

    registry.check_registrable(run, trials)
    with workers(settings, min(settings.worker_count, settings.top_k)) as executor:
        if way.dry_run:
            return registry.register(run, settings, trials, way, executor, _says(console))
        with _page_after(run, console):
            return registry.register(run, settings, trials, way, executor, _says(console))


@contextmanager
def _page_after(run: "StudyRun", console: Console) -> Iterator[None]:
    """Draw the page when the study has a new registration, which the gate's refusal is too."""
    try:
        yield
    except GateError:
        log_page(run, console)
        raise
    log_page(run, console)


@contextmanager
def _gated(run: "StudyRun", of_project: bool) -> Iterator[None]:
    """A study is finished whatever comes of its model, and of what `mlflow run` makes of the exit status."""
    from mlflow_hpo.store import set_status_after

    try:
        yield
    except (GateError, Interrupted):
        if of_project:
            set_status_after(run.connection.uri, run.run_id, _mlflow_process(), "FINISHED")
        raise


def log_page(run: "StudyRun", console: Console) -> None:
    """Keep the page of a study that ended; what goes wrong with it is no fault of the study's."""
    try:
        from mlflow_hpo.report import page

        page.log_page(run)
    except Exception as error:
        _says(console)(f"the page could not be drawn: {worded(error)}")


@contextmanager
def _ended(run: "StudyRun", of_project: bool = False) -> Iterator[None]:
    """Whatever goes wrong, the study's run does not stay RUNNING."""
    from mlflow_hpo.store import set_status_after
    from mlflow_hpo.trial import State

    try:
        yield
    except Interrupted:
        if of_project:
            set_status_after(run.connection.uri, run.run_id, _mlflow_process(), "KILLED")
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


def _take_over(run: "StudyRun", inputs: Inputs) -> None:
    """Become the driver of a study that another process began.

    Raises:
        StudyError: another process still drives it, or it would go on as another study than it began.
    """
    settings = inputs.settings
    before, now = read_settings(run.settings).dump(), settings.dump()
    for key in now:
        if key not in (*RESUMABLE, "space") and before[key] != now[key]:
            raise StudyError(
                f"study {run.run_id} began with {key} {before[key]!r}, not {now[key]!r}: "
                f"a resume may change {', '.join(RESUMABLE)}"
            )
    _check_texts(run, inputs)
    if other := run.other_driver():
        raise StudyError(f"study {run.run_id} is being run by {other}: wait for it or stop it")
    run.drive_again(settings.dump())


def _check_texts(run: "StudyRun", inputs: Inputs) -> None:
    """Raise StudyError where the space, or the configs to try first, are not those of the beginning."""
    settings = inputs.settings
    check_same_space(run, inputs.space, settings.space or f"that of model {settings.model!r}")
    if settings.start_from and inputs.texts[1] != run.start_text:
        raise StudyError(f"study {run.run_id} began with other configs than {settings.start_from} holds now")


def print_registered(found: "Registration | None", console: Console) -> None:
    """Say what was registered, and how to load it; of a dry run, nothing."""
    if found is None:
        return
    say = _says(console)
    say(f"registered trial {found.trial} as {found.name} version {found.version}{found.tested}")
    say(f"it has the alias {found.alias}: {found.why}")
    say(f"load it with mlflow.pyfunc.load_model('models:/{found.name}@{found.alias}')")


def _says(console: Console) -> Callable[[str], None]:
    """What prints a line as it is."""
    return partial(console.print, highlight=False, markup=False, soft_wrap=True)
