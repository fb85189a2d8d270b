"""The page of a study: one HTML file that needs nothing else, neither a network nor a server."""

import base64
import gzip
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from mlflow_hpo import __version__
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.advice import advice, reason_counts
from mlflow_hpo.report.plots import PLOTS, Plot, timeline
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView, read_snapshot
from mlflow_hpo.store import StudyRun

TOP = 10  # trials in the table
SHOWN_MACHINES, SHOWN_REASONS = 4, 5
CELL = 60  # characters of a value
VERSIONS = ("python", "tensorflow", "keras", "mlflow")
PARTS = files("mlflow_hpo.report") / "html"


def write_page(run: StudyRun, path: str, more: Sequence[Plot[Any]] = ()) -> None:
    """Write a study's page into a file.

    Args:
        more: plots beside those of every page.

    Raises:
        ConfigError: the file cannot be written.
    """
    written = page(read_snapshot(run), more)  # before the file is opened, which empties it
    try:
        Path(path).write_text(written, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"html: {path!r} cannot be written: {error.strerror or error}") from error


def log_page(run: StudyRun) -> None:
    """Keep a study's page among the artifacts of its run."""
    run.artifacts.keep_page(page(read_snapshot(run)))


def page(snapshot: StudySnapshot, more: Sequence[Plot[Any]] = ()) -> str:
    """The page as HTML; `more` are plots beside those of every page."""
    from jinja2 import Environment

    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(_part("page.html")).render(
        **_parts(),
        snapshot=snapshot,
        headline=summary.headline(snapshot.info, snapshot.trials),
        tiles=tiles(snapshot),
        about=about(snapshot),
        advice=advice(snapshot),
        configs=configs(snapshot),
        commands=commands(snapshot),
        top=top(snapshot),
        reasons=reason_counts(snapshot)[:SHOWN_REASONS],
        version=__version__,
        **_plots(snapshot, more),
    )


def commands(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """(purpose, command) pairs: how to see the study, and how to get its model served."""
    see = next_commands.see_commands(snapshot.uri, snapshot.experiment_id, snapshot.run_id)
    rank = ("rank the trials", next_commands.rank_command(snapshot.run_id))
    served = next_commands.registry_commands(snapshot.info, snapshot.run_id, snapshot.registration)
    return [*see, rank, *(served if snapshot.model_uri else [])]


def tiles(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """(what, number) pairs for the head of the page."""
    best, base = snapshot.best, snapshot.baseline
    better = summary.gain(snapshot.info, best.trial, snapshot.trials) if best else None
    spent, _ = summary.epochs_spent(snapshot.info, snapshot.trials)
    found = [(f"best {snapshot.info.metric.name}", _number(best)), ("baseline", _number(base))]
    found += [("gain", "–" if better is None else f"{better:+.4f}")]
    found += [("trials", f"{len(snapshot.seen):,}")]
    found += [("failed", f"{len(snapshot.failed):,}")] if snapshot.failed else []
    return [*found, ("epochs trained", f"{spent:,}"), ("took", duration(snapshot.seconds))]


def about(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """(what, in words) pairs: what was searched, with what, when, and on which machine."""
    info = snapshot.info
    goal = "maximized" if info.metric.maximize else "minimized"
    rungs = ", ".join(map(str, snapshot.rungs))
    schedule = f"{info.settings.scheduler}, rungs at epochs {rungs}" if rungs else "every trial to the end"
    searched = ", ".join(label.split("|")[-1] for label in snapshot.space.leaves)
    began = datetime.fromtimestamp(snapshot.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [
        ("study", f"{snapshot.name} ({snapshot.run_id}), {snapshot.state}"),
        ("model and data", info.model + (f" on {info.data}" if info.data else "")),
        ("metric", f"{info.metric.name}, {goal}"),
        ("searched", searched),
        ("algorithm", f"{info.settings.algorithm}, seed {info.settings.seed}"),
        ("scheduler", f"{schedule}; {info.max_epochs} epochs at most"),
        ("workers", _workers(snapshot)),
        ("began", f"{began}, took {duration(snapshot.seconds)}"),
        *(("machine" if i == 0 else "", m) for i, m in enumerate(machines(snapshot))),
    ]


def _workers(snapshot: StudySnapshot) -> str:
    lanes = timeline.compute(snapshot).lanes
    return (
        f"{snapshot.info.settings.workers}, {lanes} at once" if lanes else str(snapshot.info.settings.workers)
    )


def machines(snapshot: StudySnapshot) -> list[str]:
    """Each machine that trials ran on, in words, those with the most trials first."""
    counts = Counter(_machine(s.machine) for s in snapshot.seen if s.machine)
    shown = counts.most_common(SHOWN_MACHINES)
    many = [f"{words} ({count} trials)" for words, count in shown]
    more = [f"and {len(counts) - len(shown)} more"] if len(counts) > len(shown) else []
    return [words for words, _ in shown] if len(counts) == 1 else [*many, *more]


def _machine(machine: Mapping[str, str]) -> str:
    parts = [
        machine.get("cpu", ""),
        _with(machine, "cpu_cores", "{} cores"),
        _with(machine, "memory_gb", "{} GB"),
    ]
    parts += [_with(machine, "gpu", "{}"), machine.get("os", "")]
    parts += [f"{name} {machine[name]}" for name in VERSIONS if name in machine]
    return f"{machine.get('host', '')}: " + ", ".join(part for part in parts if part)


def _with(machine: Mapping[str, str], key: str, words: str) -> str:
    return words.format(machine[key]) if machine.get(key) else ""


def configs(snapshot: StudySnapshot) -> list[tuple[str, str, str]]:
    """(hyperparameter, best, baseline) rows."""
    best = snapshot.best.trial.config if snapshot.best else {}
    base = snapshot.baseline.trial.config if snapshot.baseline else {}
    names = dict.fromkeys((*best, *base))
    return [(name, _cell(best, name), _cell(base, name)) for name in names]


def top(snapshot: StudySnapshot) -> tuple[list[str], list[list[str]]]:
    """The best trials: the table's head and rows."""
    seen = snapshot.ranked[:TOP]
    names = list(dict.fromkeys(name for s in seen for name in s.trial.config))
    head = ["rank", "trial", snapshot.info.metric.name, "epochs", "seconds", *names]
    rows = [
        [str(i + 1), str(s.number), _number(s), str(s.trial.epochs), f"{s.trial.seconds:.1f}"]
        + [_cell(s.trial.config, name) for name in names]
        for i, s in enumerate(seen)
    ]
    return head, rows


def _cell(config: Mapping[str, Any], name: str) -> str:
    text = summary.shown(config[name]) if name in config else "–"
    return text if len(text) <= CELL else text[: CELL - 1] + "…"


def _number(seen: TrialView | None) -> str:
    return "–" if seen is None or seen.value is None else f"{seen.value:.4f}"


def duration(seconds: float) -> str:
    """Seconds for people: `32 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _plots(snapshot: StudySnapshot, more: Sequence[Plot[Any]]) -> dict[str, Any]:
    """The sections of the page, and their figures as JSON, by the id of their place."""
    sections, figures = list[dict[str, Any]](), dict[str, Any]()
    for plot in (*PLOTS, *more):
        section, drawn = _section(plot, snapshot)
        sections.append(section)
        figures |= drawn
    return {"sections": sections, "figures": script_json(figures)}


def _section(plot: Plot[Any], snapshot: StudySnapshot) -> tuple[dict[str, Any], dict[str, Any]]:
    data = plot.compute(snapshot)
    drawn = [] if data.missing else plot.draw(data)
    figures = {f"{plot.name}-{i}": one.to_plotly_json() for i, one in enumerate(drawn)}
    places = [{"id": name, "height": one["layout"]["height"]} for name, one in figures.items()]
    about = {"name": plot.name, "title": plot.title, "missing": data.missing, "note": data.note}
    return {**about, "figures": places, "width": plot.width(data)}, figures


def script_json(value: Any) -> str:
    """JSON that can stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    """What plotly keeps as a tuple or an array, as a list."""
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _parts() -> dict[str, str]:
    return {"style": _part("page.css"), "script": _part("page.js"), "plotly": packed_plotly()}


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def packed_plotly() -> str:
    """plotly.js, compressed: whole it would be all of the 5 MB that a page may have."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
