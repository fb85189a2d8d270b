"""Writes a ranking as text: a table, Markdown, CSV or JSON."""

import io
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table

from mlflow_hpo.errors import ConfigError, printable, unknown, without_secrets
from mlflow_hpo.report import summary
from mlflow_hpo.report.summary import escaped
from mlflow_hpo.trial import State

PAGE_SUFFIXES = (".html", ".htm")
DEFAULT_TOP = {"table": 10, "markdown": 10}  # trials; the formats for programs have them all
WIDE = 400  # columns: no row is wrapped
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how what a spreadsheet runs begins
HIDDEN = ["run_id"]  # for programs
# Trials that are shown apart, in this order, and their states.
APART = {
    "stopped before their last epoch": (State.STOPPED,),
    "not finished": (State.RUNNING, State.PAUSED, State.KILLED),
    "failed": (State.FAILED,),
}


def formatted(frame: pd.DataFrame, style: str, top: int | None = None) -> str:
    """Returns the ranking as text.

    Args:
        top: how many trials at most, and of each kind that is shown apart; None: all.

    Raises:
        ConfigError: there is no such format.
    """
    check_format(style)
    return without_secrets(FORMATS[style](frame, top), named=False)


def check_format(style: str) -> None:
    """Raises ConfigError if no format has this name."""
    if style not in FORMATS:
        raise unknown("format", style, FORMATS)


def check_page_file(option: str, file: str) -> None:
    """Raises ConfigError if no HTML page can be written into a file: before what takes time, not after."""
    path = Path(file)
    if path.suffix.lower() not in PAGE_SUFFIXES:
        raise ConfigError(f"{option}: {file!r} is no name for an HTML page: give one that ends in .html")
    if not os.path.isdir(path.parent):  # noqa: PTH112 (a name may be too long)
        raise ConfigError(f"{option}: {file!r} cannot be written: there is no folder {str(path.parent)!r}")
    is_folder, there = os.path.isdir(path), os.path.exists(path)  # noqa: PTH110, PTH112
    if is_folder or not os.access(path if there else path.parent, os.W_OK):
        why = "it is a folder" if is_folder else "permission denied"
        raise ConfigError(f"{option}: {file!r} cannot be written: {why}")


def parts(frame: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Splits a ranking into finished trials, under no heading, and those of other states, under theirs."""
    status = frame["status"].astype(str)
    apart, rest = {}, pd.Series(True, index=frame.index)
    for heading, states in APART.items():
        chosen = status.str.startswith(states)
        apart[heading], rest = frame[chosen], rest & ~chosen
    return {"": frame[rest]} | {heading: part for heading, part in apart.items() if len(part)}


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
        table.add_column(
            printable(str(column)), justify="left" if column == "status" else "right", no_wrap=True
        )
    for row in _rows(frame):
        table.add_row(*row)
    out = io.StringIO()
    Console(file=out, width=WIDE, markup=False).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _rows(frame: pd.DataFrame) -> list[list[str]]:
    return [
        [_cell(str(column), item) for column, item in zip(frame.columns, row, strict=True)]
        for row in frame.itertuples(index=False)
    ]


def _cell(column: str, item: object) -> str:
    if item is None or item is pd.NA or item != item:
        return ""
    if column == "gain" and isinstance(item, float):
        return f"{item:+.4f}"
    return printable(summary.cell(item))


def _as_markdown(frame: pd.DataFrame) -> str:
    lines = [
        [printable(str(name)) for name in frame.columns],
        ["---"] * len(frame.columns),
        *_rows(frame.astype(object)),
    ]
    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in lines)


def _as_csv(frame: pd.DataFrame) -> str:
    """Writes all values; a text that a spreadsheet would take for a formula has an apostrophe before it."""
    safe = frame.rename(columns=_no_formula).apply(lambda column: column.map(_no_formula))
    return str(safe.to_csv(index=False)).rstrip("\n")


def _no_formula(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return f"'{printable(value)}" if value.startswith(FORMULA) else printable(value)


def _head(frame: pd.DataFrame, top: int | None) -> pd.DataFrame:
    return frame.head(top) if top else frame


FORMATS: Mapping[str, Callable[[pd.DataFrame, int | None], str]] = {
    "table": lambda frame, top: _sections(frame, top, _as_table, "{}:\n"),
    "csv": lambda frame, top: _as_csv(_head(frame, top)),
    "json": lambda frame, top: str(_head(frame, top).to_json(orient="records", indent=2)),
    "markdown": lambda frame, top: _sections(frame, top, _as_markdown, "**{}**\n\n"),
}
