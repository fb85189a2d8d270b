"""Shows a study in a notebook: one block that is drawn again while it runs.

`in_notebook` and `without_widgets` are called before anything heavy is imported, so this module imports
nothing heavy either.
"""

import io
import sys
import warnings
from contextlib import suppress
from importlib import import_module
from time import monotonic
from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.jupyter import JUPYTER_HTML_FORMAT
from rich.text import Text

from mlflow_hpo.errors import printable

if TYPE_CHECKING:
    from mlflow_hpo.study.driver import Study
    from mlflow_hpo.study.progress import Progress
    from mlflow_hpo.trial import Trial

REDRAWN_AFTER = 0.5  # seconds
COLUMNS = 400  # the block scrolls, it is not wrapped


def in_notebook() -> bool:
    """Tells whether this process is a notebook's kernel."""
    shell = sys.modules.get("IPython")
    return shell is not None and type(shell.get_ipython()).__name__ == "ZMQInteractiveShell"


def without_widgets() -> None:
    """Imports tqdm, which Hyperopt uses, without its warning that there are no widgets: none are needed."""
    with warnings.catch_warnings(), suppress(ImportError):
        warnings.simplefilter("ignore")
        import_module("tqdm.auto")


class NotebookDisplay:
    """Draws the progress of a study; an `Observer`, and a context that leaves the last state behind."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._study: Study | None = None
        self._handle: Any = None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self._draw()

    def began(self, study: "Study") -> None:
        """Prints the plan and draws the first block."""
        from mlflow_hpo.report import summary

        self._study = study
        for line in summary.plan_lines(study.info, study.space, study.first, study.plan):
            self.say(line)
        self._draw()

    def changed(self, trial: "Trial") -> None:
        """Draws the block again, unless that was just done."""
        self.tick()

    def tick(self) -> None:
        """Draws the block again, unless that was just done."""
        if monotonic() - self._drawn >= REDRAWN_AFTER:
            self._draw()

    def say(self, line: str) -> None:
        """Prints a line above the block."""
        from mlflow_hpo.report.console import print_line

        print_line(self._console, line)

    def _draw(self) -> None:
        from IPython.display import HTML, display

        from mlflow_hpo.study.progress import Progress

        if self._study is None or self._console.quiet:
            return
        self._drawn = monotonic()
        block = HTML(as_html(Progress.of(self._study)))
        if self._handle is None:
            self._handle = display(block, display_id=True)
        else:
            self._handle.update(block)


def as_html(progress: "Progress") -> str:
    """Returns the progress of a study as HTML, with a table of its best trials."""
    console = Console(
        file=io.StringIO(), record=True, width=COLUMNS, color_system="truecolor", force_jupyter=False
    )
    console.print(Text(printable(f"study {progress.name}"), "bold"), progress, progress.best_table())
    return console.export_html(inline_styles=True, code_format=JUPYTER_HTML_FORMAT)
