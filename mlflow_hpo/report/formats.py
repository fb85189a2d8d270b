"""A ranking as text: a table, Markdown, CSV or JSON."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from mlflow_hpo.errors import ConfigError, unknown
from mlflow_hpo.report import summary
from mlflow_hpo.trial import State

PAGE_SUFFIXES = (".html", ".htm")
SHOWN = {"table": 10, "markdown": 10}  # trials, where nothing is said; what programs read has them all
WIDE = 400  # columns: what is not a terminal is not wrapped
HIDDEN = ["run_id"]  # for programs
# What is shown apart, in this order, and how its statuses begin.
APART = {
    "stopped before their last epoch": (State.STOPPED,),
    "not finished": (State.RUNNING, State.PAUSED, State.KILLED),
    "failed": (State.FAILED,),
}


def formatted(frame: pd.DataFrame, style: str, top: int | None = None) -> str:
    """The ranking as text.

    Args:
        top: how many trials at most; of each of those shown apart, where they are.

    Raises:
        ConfigError: there is no such format.
    """
    check_format(style)
    return FORMATS[style](frame, top)


def check_format(style: str) -> None:
    """Raise ConfigError where no format has this name."""
    if style not in FORMATS:
        raise unknown("format", style, FORMATS)


def check_page_file(option: str, file: str) -> None:
    """Raise ConfigError where no HTML page can be written into a file: before what takes time, not after."""
    path = Path(file)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise ConfigError(f"{option}: {file!r} is no name for an HTML page: give one that ends in .html")
    if not path.parent.is_dir():
        raise ConfigError(f"{option}: {file!r} cannot be written: there is no folder {str(path.parent)!r}")
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        why = "it is a folder" if path.is_dir() else "permission denied"
        raise ConfigError(f"{option}: {file!r} cannot be written: {why}")


def parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The trials by what became of them, under their headings; those that finished first, under none."""
    status = frame["status"].astype(str)
    found, rest = {}, pd.Series(True, index=frame.index)
    for heading, beginnings in APART.items():
        chosen = status.str.startswith(tuple(beginnings))
        found[heading], rest = frame[chosen], rest & ~chosen
    return {"": frame[rest]} | {heading: part for heading, part in found.items() if len(part)}


def _sections(frame: pd.DataFrame, top: int | None, write: Callable[[pd.DataFrame], str], title: str) -> str:
    written = []
    for heading, part in parts(frame.drop(columns=HIDDEN)).items():
        shown = part.head(top) if top else part
        more = f"\nand {len(part) - len(shown)} more" if heading and len(shown) < len(part) else ""
        written.append((title.format(heading) if heading else "") + write(shown) + more)
    return "\n\n".join(written)


def _as_table(frame: pd.DataFrame) -> str:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in frame.columns:
        table.add_column(str(column), justify="left" if column == "status" else "right", no_wrap=True)
    for row in frame.itertuples(index=False):
        table.add_row(*(_cell(str(c), v) for c, v in zip(frame.columns, row, strict=True)))
    out = io.StringIO()
    Console(file=out, width=WIDE, markup=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _cell(column: str, item: object) -> str:
    if item is None or item is pd.NA or item != item:
        return ""
    if column == "gain" and isinstance(item, float):
        return f"{item:+.4f}"
    text = summary.shown(item)
    return text if len(text) <= 60 else text[:59] + "…"


def _as_markdown(frame: pd.DataFrame) -> str:
    shown = frame.astype(object)
    cells = [
        [_cell(str(c), v) for c, v in zip(shown.columns, row, strict=True)]
        for row in shown.itertuples(index=False)
    ]
    lines = [list(map(str, shown.columns)), ["---"] * len(shown.columns), *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


def _head(frame: pd.DataFrame, top: int | None) -> pd.DataFrame:
    return frame.head(top) if top else frame


FORMATS: Mapping[str, Callable[[pd.DataFrame, int | None], str]] = {
    "table": lambda frame, top: _sections(frame, top, _as_table, "{}:\n"),
    "csv": lambda frame, top: _head(frame, top).to_csv(index=False).rstrip("\n"),
    "json": lambda frame, top: str(_head(frame, top).to_json(orient="records", indent=2)),
    "markdown": lambda frame, top: _sections(frame, top, _as_markdown, "**{}**\n\n"),
}
