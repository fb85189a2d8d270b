"""Registers a study's best model, and keeps the page of a study."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Console

from mlflow_hpo.errors import GateError, worded
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.report.winner import Preference
from mlflow_hpo.study.source import Given
from mlflow_hpo.study.trust import check_trusted
from mlflow_hpo.study.workers import study_folder

if TYPE_CHECKING:
    from mlflow_hpo.registry import RegistrationRequest
    from mlflow_hpo.store import StudyRun
    from mlflow_hpo.store.registrations import Registration
    from mlflow_hpo.trial import Trial


def register_best(
    run: "StudyRun",
    trials: "Sequence[Trial]",
    request: "RegistrationRequest",
    options: Mapping[str, Any],
    console: Console,
    given: Given | None = None,
    trust: str = "",
) -> "Registration | None":
    """Registers the best model of a study that is over, with workers of its own; see `registry.register`.

    Args:
        options: settings of the gate that are given another value.
        given: what Python gave the study, if that is at hand.
        trust: the digest of what it runs, see `check_trusted`.
    """
    from mlflow_hpo import registry
    from mlflow_hpo.report.next_commands import register_command
    from mlflow_hpo.settings import read_settings
    from mlflow_hpo.study.resumption import recorded_workers

    info = info_of(run)
    info = replace(info, settings=read_settings({**info.settings.dump(), **options}))
    if info.settings.prefer:
        Preference.parse(info.settings.prefer, [metric.name for metric in info.metrics])
    with ExitStack() as stack:
        given = given or Given(stack.enter_context(study_folder()))
        check_trusted(run, info, {}, given, trust, says(console))
        registry.check_registrable(run, info, trials)
        command = register_command(info, run.run_id, request.name, request.alias, request.force)
        stack.enter_context(Signals(command))
        count = min(info.worker_count, info.settings.top_k)
        dispatcher = stack.enter_context(recorded_workers(run, info, given, count))
        if not request.dry_run:
            stack.enter_context(page_after(run, console))
        return registry.register(dispatcher, trials, request, says(console))


@contextmanager
def page_after(run: "StudyRun", console: Console) -> Iterator[None]:
    """Draws the page when the study has a new registration, or the gate refused one."""
    try:
        yield
    except GateError:
        log_page(run, console)
        raise
    log_page(run, console)


def log_page(run: "StudyRun", console: Console) -> None:
    """Keeps the page of a study among its artifacts; what goes wrong with it is only said."""
    try:
        from mlflow_hpo.report import page

        page.log_page(run)
    except Exception as error:
        says(console)(f"the page could not be drawn: {worded(error)}")


def says(console: Console) -> Callable[[str], None]:
    """Returns a function that prints a line on the console."""
    return partial(print_line, console)
