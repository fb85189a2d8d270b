"""The progress of a running study, as the terminal and a notebook show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Self

from rich.console import Group
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from mlflow_hpo.errors import printable
from mlflow_hpo.report import summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import winner
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.ledger import with_results
from mlflow_hpo.trial import Config, State, Trial

BEST_SHOWN = 5  # trials


@dataclass(frozen=True)
class Progress:
    """A running study at one moment; rich draws it.

    Attributes:
        trials: all trials, by number.
        resumed: the number of trials that had results when this driver began.
        seconds: since this driver began.
        unit_seconds: number of a trial that is being trained -> seconds since its unit began.
    """

    name: str
    info: StudyInfo
    trials: Sequence[Trial]
    resumed: int
    seconds: float
    unit_seconds: Mapping[int, float]
    is_over: bool = False

    @classmethod
    def of(cls, study: Study) -> Self:
        """Returns the progress of a study at this moment."""
        now, ledger = monotonic(), study.ledger
        units = {t.number: now - ledger.begun.get(t.number, study.started) for t in study.running}
        return cls(study.run.name, study.info, study.known, ledger.resumed, now - study.started, units)

    @property
    def time_left(self) -> str:
        """The time left in words, estimated from the trials so far."""
        if self.is_over:
            return "ended"
        begun, total = with_results(self.trials), self.info.max_trials
        done = begun - self.resumed
        if not done:
            return "going on" if begun else "starting workers"
        if begun >= total:
            return "promoted trials go on" if self.info.settings.scheduler != "none" else "ending"
        return f"about {_clock(self.seconds / done * (total - begun))} left"

    @property
    def headline(self) -> str:
        """The best trial so far, and the number of failed ones."""
        failed = sum(trial.state is State.FAILED for trial in self.trials)
        line = (
            summary.headline(self.info, self.trials)
            if winner(self.info, self.trials)
            else "no trial finished yet"
        )
        return line + (f", {failed} failed" if failed else "")

    def __rich__(self) -> Group:
        begun, total = with_results(self.trials), self.info.max_trials
        bar, running = Table.grid(padding=(0, 1)), Table.grid(padding=(0, 1))
        counts = f"{begun}/{total} trials", f"{_clock(self.seconds)}, {self.time_left}"
        bar.add_row(ProgressBar(total=total, completed=begun, width=30), *counts)
        for trial in self.trials:
            if trial.number in self.unit_seconds:
                config = Text(config_text(trial.config), "dim", no_wrap=True, overflow="ellipsis")
                running.add_row(f"  trial {trial.number}", _clock(self.unit_seconds[trial.number]), config)
        return Group(bar, *([running] if running.rows else []), Text(printable(self.headline), "bold"))

    def best_table(self) -> Table:
        """Returns a table of the best trials so far, best first."""
        head, rows = summary.best_rows(self.info, self.trials, BEST_SHOWN)
        table = Table(box=None, header_style="bold", pad_edge=False)
        for name in head if rows else []:
            table.add_column(Text(printable(name)), justify="right", no_wrap=True)
        for row in rows:
            table.add_row(*(Text(printable(cell)) for cell in row))
        return table


def config_text(config: Config) -> str:
    """Returns a config in one line."""
    return printable(" ".join(f"{name}={summary.cell(value)}" for name, value in config.items()))


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
