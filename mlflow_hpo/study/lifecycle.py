"""A study from its beginning to its end: start, resume, register.

MLflow and Hyperopt take seconds to import, and workers take longer still to import TensorFlow. So bad
settings are refused before any of that, and the driver imports while its workers do.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mlflow_hpo.errors import GateError, Interrupted, Stopped, StudyError, SupersededError
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.execution.spawn import watch_parent
from mlflow_hpo.projects import variables
from mlflow_hpo.report.next_commands import resume_command
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.settings import Settings
from mlflow_hpo.study.registering import log_page, page_after, says
from mlflow_hpo.study.resumable import resumable
from mlflow_hpo.study.setup import StudyPlan, plan
from mlflow_hpo.study.source import Given, keep_contents
from mlflow_hpo.study.trust import check_resumable
from mlflow_hpo.study.workers import StudyWorkers, study_folder

if TYPE_CHECKING:
    from mlflow_hpo.store import StudyRun
    from mlflow_hpo.study.driver import Study
    from mlflow_hpo.study.ledger import Observer

Shown = Callable[[Console], "AbstractContextManager[Observer]"]  # makes the display of a study


def start(
    settings: Settings, console: Console, given: Given | None = None, shown: Shown | None = None
) -> "Study":
    """Runs a new study: in MLflow's project run, or in one of its own below the active run, if there is one.

    A project run that is a study already is resumed, provided that the settings are those it began with.

    Raises:
        HpoError: it cannot begin, or could not go on.
    """
    run_id = os.environ.pop(variables.RUN_ID, None)  # left there, it would claim the workers' runs
    if run_id:  # when `mlflow run` is ended, it takes its project along
        watch_parent(lambda: os.kill(os.getpid(), signal.SIGTERM))
    with ExitStack() as stack:
        given = given or Given(stack.enter_context(study_folder()))
        workers = stack.enter_context(
            StudyWorkers(settings, given.folder, says(console), client=given.client)
        )
        planned = plan(settings, _with_record(settings, given, workers, run_id), workers)
        from mlflow_hpo.store import given_run, new_study, store_errors

        with store_errors():
            run, parent = given_run(workers.connection, run_id)
            of_project = run is not None
            if run is not None and run.is_study:
                from mlflow_hpo.study.resumption import check_same

                check_same(run, settings, planned)
                return _go_on(run, planned, given, workers, console, shown, of_project=True)
            with Signals() as signals:
                run = run or new_study(workers.connection, planned.tags, parent)
                with run.driven(says(console), signals.check), resumable(run):
                    with _ended(run, of_project):
                        _begin(run, planned, given)
                        study = _drive(run, planned, workers, console, signals, shown)
                    with _gated(run, of_project):
                        _finish(study, console, signals)
    return study


def _with_record(settings: Settings, given: Given, workers: StudyWorkers, run_id: str | None) -> Given:
    """Adds the record of a study that goes on: the name of an earlier one may mean another by now."""
    if not (run_id and settings.warm_start):
        return given
    from mlflow_hpo.store import open_run, store_errors

    with store_errors():
        run = open_run(workers.connection, run_id)
        return replace(given, record=info_of(run)) if run.is_study else given


def _begin(run: "StudyRun", planned: StudyPlan, given: Given) -> None:
    info = planned.info
    keep_contents(run, info, given)
    run.begin(info.settings.dump(), info.record(), info.params(), planned.space_text, planned.start_text)


def resume(
    name: str,
    options: Mapping[str, Any],
    console: Console,
    given: Given | None = None,
    shown: Shown | None = None,
    retry_failed: bool = False,
    take_over: bool = False,
    trust: str = "",
    any_user: bool = False,
) -> "Study":
    """Goes on with a study: finishes what was cut, and trains what is missing.

    Args:
        options: those that are given another value; None: as it was.
        given: what Python gives again.
        retry_failed: train the failed trials again.
        take_over: take the study from a process on another machine, which is known to be dead.
        trust, any_user: see `check_resumable` and `find_study`.

    Raises:
        HpoError: it cannot go on.
    """
    os.environ.pop(variables.RUN_ID, None)
    from mlflow_hpo.store import Connection, find_study, store_errors
    from mlflow_hpo.study.resumption import given_again, resumed_settings

    with ExitStack() as stack:
        stack.enter_context(store_errors())
        run = find_study(Connection(), name, any_user)
        given = given or Given(stack.enter_context(study_folder()))
        check_resumable(run, info_of(run), options, given, trust, says(console))
        settings = resumed_settings(run, options)
        given = given_again(run, settings, options, given)
        workers = stack.enter_context(
            StudyWorkers(settings, given.folder, says(console), run.connection, given.client)
        )
        planned = plan(settings, given, workers)
        return _go_on(run, planned, given, workers, console, shown, False, retry_failed, take_over)


def _go_on(
    run: "StudyRun",
    planned: StudyPlan,
    given: Given,
    workers: StudyWorkers,
    console: Console,
    shown: Shown | None,
    of_project: bool = False,
    retry_failed: bool = False,
    take_over: bool = False,
) -> "Study":
    command = resume_command(info_of(run), run.run_id)
    with Signals(command) as signals, run.driven(says(console), signals.check, take_over), resumable(run):
        keep_contents(run, planned.info, given, before=info_of(run))
        with _ended(run, of_project):
            run.drive_again(planned.info.settings.dump(), planned.info.record())
            if retry_failed:
                run.trials.give_again()
            study = _drive(run, planned, workers, console, signals, shown)
        with _gated(run, of_project):
            _finish(study, console, signals)
    return study


def _drive(
    run: "StudyRun",
    planned: StudyPlan,
    workers: StudyWorkers,
    console: Console,
    signals: Signals,
    shown: Shown | None,
) -> "Study":
    from mlflow_hpo.study.driver import Study
    from mlflow_hpo.study.first_model import first_model
    from mlflow_hpo.study.terminal import Display

    signals.command = resume_command(planned.info, run.run_id)
    try:
        with first_model((shown or Display)(console), run, planned.spec, signals) as observer:
            study = Study(run, planned, workers.executor, observer, signals)
            study.drive()
    except StudyError:  # why trials failed is on its page
        log_page(run, console)
        raise
    return study


def _finish(study: "Study", console: Console, signals: Signals) -> None:
    """Does what comes after the search; the page is drawn before it too, as it may take long and be cut.

    Raises:
        Interrupted: a signal came: what is still to be done is left to a resume.
    """
    from mlflow_hpo import registry
    from mlflow_hpo.report.winner import winner as winner_of
    from mlflow_hpo.study.terminal import print_end, print_registered

    run, info, winner = study.run, study.info, winner_of(study.info, study.known)
    settings = info.settings
    print_end(console, study)
    log_page(run, console)
    signals.check()
    if settings.register_as:
        request = registry.RegistrationRequest(settings.register_as, settings.alias, settings.force)
        with page_after(run, console):
            done = registry.register(study.dispatcher, study.known, request, says(console))
            print_registered(done, says(console))
    elif settings.wants_final and winner:
        with page_after(run, console):
            final = registry.train_final(study.dispatcher, winner)
        says(console)(f"trained trial {final.trial} on all rows: {final.model_uri}")
    signals.check()


@contextmanager
def _gated(run: "StudyRun", of_project: bool) -> Iterator[None]:
    """Keeps the status FINISHED if the gate refuses the model, although `mlflow run` will say FAILED."""
    from mlflow_hpo.store import set_status_after

    try:
        yield
    except (GateError, Interrupted, Stopped):
        if of_project:
            set_status_after(run.connection.uri, run.run_id, "FINISHED")
        raise


@contextmanager
def _ended(run: "StudyRun", of_project: bool = False) -> Iterator[None]:
    """Sees to it that the study's run does not stay RUNNING, whatever goes wrong."""
    from mlflow_hpo.store import quick, set_status_after
    from mlflow_hpo.trial import State

    try:
        yield
    except (Interrupted, Stopped, SupersededError) as cut:
        if of_project:
            status = "RUNNING" if isinstance(cut, SupersededError) else "KILLED"  # RUNNING elsewhere
            set_status_after(run.connection.uri, run.run_id, status)
        raise
    except BaseException as error:
        if not run.is_over:  # what fails while it is driven has ended it already
            with suppress(Exception), quick():  # the store may be what failed
                run.end(State.FAILED, str(error) or type(error).__name__)
        raise
