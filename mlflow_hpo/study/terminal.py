"""The progress of a study on the terminal: live where there is one, plain lines elsewhere."""

from collections.abc import Callable
from time import monotonic
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlflow_hpo.metric import best
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.console import print_line
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Trial

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration

COLOURS = {State.FINISHED: "green", State.FAILED: "red", State.KILLED: "yellow"}


class Display:
    """Shows a study while it runs; an `Observer`, and a context that ends the live part."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=4, transient=True)
        self._study: Study | None = None
        self._since: dict[int, float] = {}
        self._taken_over = 0
        self._shown: dict[int, int] = {}  # trial -> epochs at its last line

    def __enter__(self) -> "Display":
        return self

    def __exit__(self, *failure: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def began(self, study: Study) -> None:
        """See `Observer.began`."""
        self._study = study
        self._taken_over = sum(t.result_count > 0 for t in study.known)
        info, run = study.info, study.run
        epochs = f"{info.max_epochs} epochs" + (" each" if info.settings.scheduler == "none" else " at most")
        data = f" on {info.data}" if info.data else ""
        length = f", {epochs}" if info.max_epochs > 1 else ""
        self._say(
            f"study {run.name} ({run.run_id}): {info.max_trials} trials of {info.model}{data}, "
            f"{info.settings.algorithm}{length}, {info.worker_count} workers"
        )
        for line in summary.plan_lines(info, study.space, study.first, study.plan):
            self._say(line)
        if study.known:
            self._say(f"resumed: {self._taken_over} trials have results already")
        if self._console.is_terminal:
            self._live.start()

    def changed(self, trial: Trial) -> None:
        """See `Observer.changed`."""
        if trial.state is State.RUNNING:
            self._since[trial.number] = monotonic()
        elif (
            trial.state not in (State.FINISHED, State.STOPPED)
            or self._shown.get(trial.number) != trial.epochs
        ):
            self._shown[trial.number] = trial.epochs  # one that rested and now stays so has its line already
            # A line for each trial, but never half a reason.
            cut = self._console.is_terminal and not trial.reason
            how: dict[str, Any] = {"no_wrap": True, "overflow": "ellipsis"} if cut else {"soft_wrap": True}
            self._console.print(self._line(trial), **how)
        self.tick()

    def tick(self) -> None:
        """See `Observer.tick`."""
        if self._console.is_terminal and self._study:
            self._live.update(self._picture(self._study))

    def _say(self, words: str) -> None:
        print_line(self._console, words)

    def _line(self, trial: Trial) -> Text:
        assert self._study is not None
        info = self._study.info
        line = Text(f"trial {trial.number:>3} ").append(f"{trial.state:<9}", COLOURS.get(trial.state, ""))
        if trial.loss is not None:
            line.append(f"{info.metric.name} {info.value(trial):.4f}  {trial.seconds:5.1f} s  ")
        if trial.reason:
            line.append(trial.reason + "  ")
        return line.append(" ".join(f"{k}={summary.text(v)}" for k, v in trial.config.items()), "dim")

    def _picture(self, study: Study) -> Group:
        over, total = sum(t.result_count > 0 for t in study.known), study.info.max_trials
        head = Table.grid(padding=(0, 1))
        head.add_row(
            ProgressBar(total=total, completed=over, width=30),
            f"{over}/{total} trials",
            f"{_clock(monotonic() - study.started)}, {self._left(study, over)}",
        )
        running = Table.grid(padding=(0, 1))
        for trial in study.running:
            seconds = monotonic() - self._since.get(trial.number, study.started)
            config = " ".join(f"{k}={summary.text(v)}" for k, v in trial.config.items())
            running.add_row(
                f"  trial {trial.number}",
                _clock(seconds),
                Text(config, "dim", no_wrap=True, overflow="ellipsis"),
            )
        failed = sum(t.state is State.FAILED for t in study.known)
        note = f", {failed} failed" if failed else ""
        best_line = (
            summary.headline(study.info, study.known) if best(study.known) else "no trial finished yet"
        )
        return Group(head, running, Text(best_line + note, "bold"))

    def _left(self, study: Study, over: int) -> str:
        done = over - self._taken_over
        if not done:
            return "starting workers" if not over else "going on"
        if over >= study.info.max_trials:
            return "promoted trials go on" if study.info.settings.scheduler != "none" else "ending"
        left = (monotonic() - study.started) / done * (study.info.max_trials - over)
        return f"about {_clock(left)} left"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def print_end(console: Console, study: Study) -> None:
    """The best trial, its gain over the baseline, and what to do next."""
    console.print()
    print_line(console, summary.headline(study.info, study.known), "bold")
    if study.info.settings.scheduler != "none":
        print_line(console, summary.spent_line(study.info, study.known))
    run = study.run
    winner = best(study.known)
    has_model = winner is not None and bool(winner.model_uri)
    for purpose, command in next_commands.next_commands(
        study.info, run.connection.uri, run.experiment_id, run.run_id, has_model
    ):
        print_line(console, f"  # {purpose}", "dim")
        print_line(console, f"  {command}")


def print_registered(done: "Registration | None", say: Callable[[str], None]) -> None:
    """Says what was registered, and how to load it; of a dry run, nothing."""
    if done is None:
        return
    say(f"registered trial {done.trial} as {done.name} version {done.version}{done.scores_text}")
    say(f"it has the alias {done.alias}: {done.why}")
    say(f"load it with mlflow.pyfunc.load_model('models:/{done.name}@{done.alias}')")
