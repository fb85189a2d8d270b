"""Writes the page of a study: one HTML file that needs nothing else, neither a network nor a server."""

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
from mlflow_hpo.errors import ConfigError, without_secrets
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.advice import advice, reason_counts
from mlflow_hpo.report.plots import PLOTS, Plot, several, timeline
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView, read_snapshot
from mlflow_hpo.report.winner import value_text, values_of
from mlflow_hpo.store import StudyRun
from mlflow_hpo.trial import epochs_text

TOP = 10  # trials in the table
MOST_MACHINES, MOST_REASONS = 4, 5
VERSIONS = ("python", "tensorflow", "keras", "mlflow")
PARTS = files("mlflow_hpo.report") / "html"


def write_page(run: StudyRun, path: str, more: Sequence[Plot[Any]] = ()) -> None:
    """Writes a study's page into a file.

    Args:
        more: plots after those of every page.

    Raises:
        ConfigError: the file cannot be written.
    """
    html = page(read_snapshot(run), more)  # before the file is opened, which empties it
    try:
        Path(path).write_text(without_secrets(html, named=False), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"html: {path!r} cannot be written: {error.strerror or error}") from error


def log_page(run: StudyRun) -> None:
    """Keeps a study's page among the artifacts of its run."""
    run.artifacts.keep_page(page(read_snapshot(run)))


def page(snapshot: StudySnapshot, more: Sequence[Plot[Any]] = ()) -> str:
    """Returns the page as HTML; `more` are plots after those of every page."""
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
        top=summary.best_rows(snapshot.info, snapshot.trials, TOP),
        reasons=reason_counts(snapshot)[:MOST_REASONS],
        version=__version__,
        **_plots(snapshot, more),
    )


def commands(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """Returns how to see the study, and how to get its model served: (purpose, command) pairs."""
    see = next_commands.see_commands(snapshot.uri, snapshot.experiment_id, snapshot.run_id)
    rank = ("rank the trials", next_commands.rank_command(snapshot.run_id))
    served = next_commands.registry_commands(snapshot.info, snapshot.run_id, snapshot.registration)
    return [*see, rank, *(served if snapshot.model_uri else [])]


def tiles(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """Returns the numbers at the head of the page: (what, number) pairs."""
    best, base = snapshot.best, snapshot.baseline
    better = summary.gain(snapshot.info, best.trial, snapshot.trials) if best else None
    spent, _ = summary.epochs_spent(snapshot.info, snapshot.trials)
    others = snapshot.info.metrics[1:]
    values = values_of(best.trial, snapshot.info.metrics) if best else {}
    return [
        *([("best", f"trial {best.number}")] if best and others else []),
        (f"{'its' if others else 'best'} {snapshot.info.metric.name}", _number(best)),
        *(
            (f"its {m.name}", value_text(values[m.name]))
            for m in snapshot.info.metrics[1:]
            if m.name in values
        ),
        ("baseline", _number(base)),
        ("gain", summary.MISSING if better is None else f"{better:+.4f}"),
        ("trials", f"{len(snapshot.views):,}"),
        *([("failed", f"{len(snapshot.failed):,}")] if snapshot.failed else []),
        ("epochs trained", f"{spent:,}"),
        ("took", duration(snapshot.seconds)),
    ]


def about(snapshot: StudySnapshot) -> list[tuple[str, str]]:
    """Returns what was searched, with what, when, and on which machine: (what, words) pairs."""
    info = snapshot.info
    goals = ", ".join(f"{m.name} {'maximized' if m.maximize else 'minimized'}" for m in info.metrics)
    bounds = " and ".join(constraint.text for constraint in info.constraints)
    rungs = ", ".join(map(str, snapshot.rungs))
    schedule = f"{info.settings.scheduler}, rungs at epochs {rungs}" if rungs else "every trial to the end"
    searched = ", ".join(dict.fromkeys(label.split("|")[-1] for label in snapshot.space.leaves))
    began = datetime.fromtimestamp(snapshot.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return [
        ("study", f"{snapshot.name} ({snapshot.run_id}), {snapshot.state}"),
        ("model and data", info.model + (f" on {info.data}" if info.data else "")),
        ("metric" if len(info.metrics) == 1 else "metrics", goals),
        *([("constraints", bounds)] if bounds else []),
        ("searched", searched),
        ("algorithm", f"{info.settings.algorithm}, seed {info.settings.seed}"),
        ("scheduler", f"{schedule}; {epochs_text(info.max_epochs)} at most"),
        ("workers", _workers(snapshot)),
        ("began", f"{began}, took {duration(snapshot.seconds)}"),
        *(("machine" if i == 0 else "", m) for i, m in enumerate(machines(snapshot))),
    ]


def _workers(snapshot: StudySnapshot) -> str:
    workers, lanes = snapshot.info.settings.workers, timeline.compute(snapshot).lanes
    return f"{workers}, {lanes} at once" if lanes else str(workers)


def machines(snapshot: StudySnapshot) -> list[str]:
    """Returns each machine that trials ran on, in words, those with the most trials first."""
    counts = Counter(_machine(view.machine) for view in snapshot.views if view.machine)
    if len(counts) == 1:
        return list(counts)
    listed = [f"{words} ({count} trials)" for words, count in counts.most_common(MOST_MACHINES)]
    return [*listed, f"and {len(counts) - len(listed)} more"] if len(counts) > len(listed) else listed


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
    """Returns (hyperparameter, best, baseline) rows."""
    best = snapshot.best.trial.config if snapshot.best else {}
    base = snapshot.baseline.trial.config if snapshot.baseline else {}
    names = dict.fromkeys((*best, *base))
    missing = summary.MISSING
    return [(n, summary.cell(best.get(n, missing)), summary.cell(base.get(n, missing))) for n in names]


def _number(view: TrialView | None) -> str:
    return summary.MISSING if view is None or view.value is None else f"{view.value:.4f}"


def duration(seconds: float) -> str:
    """Returns seconds as people say them: `32 s`, `2 min 5 s`, `3 h 20 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def _plots(snapshot: StudySnapshot, more: Sequence[Plot[Any]]) -> dict[str, Any]:
    """Returns the sections of the page, and their figures as JSON, by the id of their place."""
    sections, figures = list[dict[str, Any]](), dict[str, Any]()
    for plot in (*several.plots_of(snapshot), *PLOTS, *more):
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
    """Writes JSON that can stand in a script element: nothing in it ends the element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    """Returns a tuple or an array of plotly's as a list."""
    return value.tolist() if hasattr(value, "tolist") else list(value)


def _parts() -> dict[str, str]:
    return {"style": _part("page.css"), "script": _part("page.js"), "plotly": packed_plotly()}


def _part(name: str) -> str:
    return (PARTS / name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def packed_plotly() -> str:
    """Returns plotly.js, compressed: as it is, it would take all of the 5 MB that a page may have."""
    from plotly.offline import get_plotlyjs

    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
