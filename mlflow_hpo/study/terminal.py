"""Shows a study on the terminal: live where there is one, plain lines elsewhere."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.live import Live
from rich.text import Text
from typing_extensions import override

from mlflow_hpo.errors import printable
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import values_text
from mlflow_hpo.report.winner import winner as winner_of
from mlflow_hpo.settings import LOCAL
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.ledger import Observer
from mlflow_hpo.study.progress import Progress, config_text
from mlflow_hpo.trial import State, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration

COLOURS = {State.FINISHED: "green", State.FAILED: "red", State.KILLED: "yellow"}


class Display(Observer):
    """Prints a line for each trial, and the progress below; a context that ends the live part."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._study: Study | None = None
        self._shown: dict[int, int] = {}  # trial -> epochs at its last line

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    @override
    def began(self, study: Study) -> None:
        self._study = study
        self.say(f"study {study.run.name} ({study.run.run_id}): {_task(study)}")
        for line in summary.plan_lines(study.info, study.space, study.first, study.plan):
            self.say(line)
        if study.known:
            self.say(f"resumed: {study.ledger.resumed} trials have results already")
        if self._console.is_terminal:
            self._live.start()

    @override
    def changed(self, trial: Trial) -> None:
        assert self._study is not None
        # A trial that was paused and is now STOPPED or FINISHED has its line already.
        is_new = self._shown.get(trial.number) != trial.epochs
        if trial.state is not State.RUNNING and (
            is_new or trial.state not in (State.FINISHED, State.STOPPED)
        ):
            self._shown[trial.number] = trial.epochs
            # One line, but a reason is never cut.
            cut = self._console.is_terminal and not trial.reason
            how: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if cut else {"soft_wrap": True}
            self._console.print(_line(self._study, trial), **how)
        self.tick()

    @override
    def tick(self) -> None:
        if self._console.is_terminal and self._study:
            self._live.update(Progress.of(self._study))

    @override
    def say(self, line: str) -> None:
        print_line(self._console, line)


def _task(study: Study) -> str:
    info = study.info
    each = info.settings.scheduler == "none" and (study.trains_each or info.settings.max_epochs)
    epochs = f", {info.max_epochs} epochs" + (" each" if each else " at most")
    trials = f"{info.max_trials} trial" + ("" if info.max_trials == 1 else "s")
    return (
        f"{trials} of {info.model}{f' on {info.data}' if info.data else ''}, "
        f"{info.settings.algorithm}{epochs if info.max_epochs > 1 else ''}, "
        f"{_where(info)}"
    )


def _where(info: StudyInfo) -> str:
    """Says how many workers train; of a cluster, which it is, for its slots come and go."""
    workers, executor = info.worker_count, info.settings.executor
    if executor != LOCAL and info.settings.workers == "auto":
        return f"on {executor}"
    return f"{workers} worker{'' if workers == 1 else 's'}" + (f" on {executor}" if executor != LOCAL else "")


def _line(study: Study, trial: Trial) -> Text:
    line = Text(f"trial {trial.number:>3} ").append(f"{trial.state:<9}", COLOURS.get(trial.state, ""))
    if trial.loss is not None:
        whole = trial.epochs == study.info.max_epochs and trial.best_epoch in (None, trial.epochs)
        value = printable(values_text(study.info, trial))
        line.append(f"{value}{'' if whole else f' {summary.when(trial)}'}  {trial.seconds:5.1f} s  ")
    if trial.violation():
        line.append("breaks the constraints  ", "yellow")
    if trial.reason:
        line.append(printable(trial.reason) + "  ")
    return line.append(config_text(trial.config), "dim")


def print_end(console: Console, study: Study) -> None:
    """Prints the best trial, its gain over the baseline, and what to do next."""
    info, run, winner = study.info, study.run, winner_of(study.info, study.known)
    console.print()
    print_line(console, summary.headline(info, study.known), "bold")
    if info.settings.scheduler != "none":
        print_line(console, summary.spent_line(info, study.known))
    has_model = winner is not None and bool(winner.model_uri)
    for purpose, command in next_commands.next_commands(
        info, run.connection.uri, run.experiment_id, run.run_id, has_model
    ):
        print_line(console, f"  # {purpose}", "dim")
        print_line(console, f"  {command}")


def print_registered(registration: "Registration | None", say: Callable[[str], None]) -> None:
    """Prints what was registered, and how to load it; nothing after a dry run."""
    if registration is None:
        return
    name, alias = registration.name, registration.alias
    version = f"{name} version {registration.version}"
    say(f"registered trial {registration.trial} as {version}{registration.scores_text}")
    say(f"it has the alias {alias}: {registration.why}")
    say(f"load it with mlflow.pyfunc.load_model('models:/{name}@{alias}')")
