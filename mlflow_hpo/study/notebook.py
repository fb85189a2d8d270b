"""The progress of a study in a notebook: one block that is drawn anew while it runs."""

from html import escape
from time import monotonic
from types import TracebackType
from typing import Any, Self

from rich.console import Console

from mlflow_hpo.metric import best
from mlflow_hpo.report import summary
from mlflow_hpo.report.console import print_line
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Trial

DRAWN_EVERY = 0.5  # seconds
SHOWN = 5  # of the best trials


class NotebookDisplay:
    """Shows a study while it runs; an `Observer`, and a context that leaves the last state behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._study: Study | None = None
        self._handle: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draw()

    def began(self, study: Study) -> None:
        """See `Observer.began`."""
        self._study = study
        for line in summary.plan_lines(study.info, study.space, study.first, study.plan):
            print_line(self._console, line)
        self._draw()

    def changed(self, trial: Trial) -> None:
        """See `Observer.changed`."""
        self.tick()

    def tick(self) -> None:
        """See `Observer.tick`."""
        if monotonic() - self._drawn >= DRAWN_EVERY:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        if self._study is None or self._console.quiet:
            return
        self._drawn = monotonic()
        picture = HTML(page(self._study))
        if self._handle is None:
            self._handle = display(picture, display_id=True)
        else:
            self._handle.update(picture)


def page(study: Study) -> str:
    """The study as it stands, as HTML."""
    info, trials = study.info, study.known
    over = sum(t.result_count > 0 for t in trials)
    failed = sum(t.state is State.FAILED for t in trials)
    head = f"study {study.run.name}: {over} of {info.max_trials} trials, {len(study.running)} running"
    note = f", {failed} failed" if failed else ""
    return (
        f"<div><b>{escape(head + note)}</b> {monotonic() - study.started:.0f} s<br>"
        f"<progress value='{over}' max='{info.max_trials}' style='width:30em'></progress><br>"
        f"{escape(summary.headline(info, trials)) if best(trials) else 'no trial finished yet'}"
        f"{_table(study)}</div>"
    )


def _table(study: Study) -> str:
    head, rows = summary.best_rows(study.info, study.known, SHOWN)
    cells = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{lines}</table>" if rows else ""
