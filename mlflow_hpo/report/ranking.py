"""Ranks a study's trials, and writes the ranking in several formats."""

import io
from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from rich.console import Console
from rich.table import Table

from mlflow_hpo import summary
from mlflow_hpo.errors import unknown
from mlflow_hpo.settings import Settings
from mlflow_hpo.trial import State, Trial

WIDE = 400  # columns: what is not a terminal is not wrapped


def rank(settings: Settings, trials: Sequence[Trial], top: int | None = None) -> pd.DataFrame:
    """The trials, best first; those without a loss last, by number.

    Returns:
        Columns rank (empty where there is no loss), trial, the metric, gain (over the baseline, positive
        is better), epochs, seconds, status, then the hyperparameters.
    """
    finished = [t for t in trials if t.state is not State.FAILED and t.loss is not None]
    ordered = sorted(finished, key=lambda t: (t.loss, t.number))
    rest = [t for t in trials if t not in ordered]
    rows = [_row(settings, t, trials, i + 1) for i, t in enumerate(ordered)]
    rows += [_row(settings, t, trials, None) for t in rest]
    names = sorted({name for t in trials for name in t.config}, key=_first_seen(trials))
    columns = ["rank", "trial", settings.metric, "gain", "epochs", "seconds", "status", *names, "run_id"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["rank"] = frame["rank"].astype("Int64")
    for name in names:
        frame[name] = frame[name].astype(object)  # a whole number beside a gap stays whole
    return frame.head(top) if top else frame


def _row(settings: Settings, trial: Trial, trials: Sequence[Trial], place: int | None) -> dict[str, object]:
    status = f"{trial.state}: {trial.reason}" if trial.reason else str(trial.state)
    known: dict[str, object] = {
        "rank": place,
        "trial": trial.number,
        settings.metric: summary.value(settings, trial),
        "gain": summary.gain(settings, trial, trials),
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 2) if trial.epochs else None,
        "status": status,
        "run_id": trial.run_id,
    }
    return {**trial.config, **known}


def _first_seen(trials: Sequence[Trial]) -> Callable[[str], int]:
    order: dict[str, int] = {}
    for trial in trials:
        for name in trial.config:
            order.setdefault(name, len(order))
    return order.__getitem__


def _as_table(frame: pd.DataFrame) -> str:
    shown = frame.drop(columns="run_id")
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in shown.columns:
        table.add_column(str(column), justify="left" if column == "status" else "right", no_wrap=True)
    for row in shown.itertuples(index=False):
        table.add_row(*(_cell(str(c), v) for c, v in zip(shown.columns, row, strict=True)))
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
    shown = frame.drop(columns="run_id").astype(object)
    cells = [
        [_cell(str(c), v) for c, v in zip(shown.columns, row, strict=True)]
        for row in shown.itertuples(index=False)
    ]
    lines = [list(map(str, shown.columns)), ["---"] * len(shown.columns), *cells]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)


FORMATS: Mapping[str, Callable[[pd.DataFrame], str]] = {
    "table": _as_table,
    "csv": lambda frame: frame.to_csv(index=False).rstrip("\n"),
    "json": lambda frame: str(frame.to_json(orient="records", indent=2)),
    "markdown": _as_markdown,
}


def formatted(frame: pd.DataFrame, style: str) -> str:
    """The ranking as text.

    Raises:
        ConfigError: there is no such format.
    """
    check_format(style)
    return FORMATS[style](frame)


def check_format(style: str) -> None:
    """Raise ConfigError where no format has this name."""
    if style not in FORMATS:
        raise unknown("format", style, FORMATS)
