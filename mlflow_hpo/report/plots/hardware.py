"""Time and hardware by trial."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView
from mlflow_hpo.store import keys


@dataclass(frozen=True)
class Measure:
    """One quantity by trial, with its unit in the title."""

    title: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Hardware(base.Shown):
    """What was measured."""

    measures: tuple[Measure, ...] = ()


def _seconds(seen: TrialView) -> float | None:
    return seen.trial.seconds or None


def _per_epoch(seen: TrialView) -> float | None:
    epochs = seen.trial.epochs - seen.trial.start
    return seen.trial.seconds / epochs if epochs > 0 and seen.trial.seconds else None


def _cores(seen: TrialView) -> float | None:
    """CPU seconds are those of the last unit."""
    if keys.CPU_SECONDS not in seen.used or not seen.spans:
        return None
    return seen.used[keys.CPU_SECONDS] / max(seen.spans[-1].end - seen.spans[-1].begin, 1e-3)


QUANTITIES: tuple[tuple[str, Callable[[TrialView], float | None]], ...] = (
    ("wall time (seconds)", _seconds),
    ("wall time of an epoch (seconds)", _per_epoch),
    ("CPU cores kept busy", _cores),
    ("peak memory (MB)", lambda seen: seen.used.get(keys.PEAK_MEMORY)),
    ("GPU memory (MB)", lambda seen: seen.used.get(keys.GPU_MEMORY)),
)


def compute(snapshot: StudySnapshot) -> Hardware:
    """The data of the plot."""
    drawn = [snapshot.seen[i] for i in base.thinned(len(snapshot.seen))]
    found = [(title, [(s.number, quantity(s)) for s in drawn]) for title, quantity in QUANTITIES]
    measures = tuple(
        Measure(title, tuple((n, v) for n, v in points if v is not None))
        for title, points in found
        if any(v is not None for _, v in points)
    )
    missing = "" if measures else "Nothing has been measured yet."
    return Hardware(missing=missing, note=base.of_all(len(drawn), len(snapshot.seen)), measures=measures)


def draw(data: Hardware) -> list[Any]:
    """A figure for each quantity."""
    return [_figure(measure) for measure in data.measures]


def _figure(measure: Measure) -> Any:
    drawn = base.figure("trial", measure.title, 260, legend=False)
    x, y = zip(*measure.points, strict=True)
    marker = {"color": base.PLAIN, "size": 6}
    hover = "trial %{x}: %{y}<extra></extra>"
    drawn.add_scatter(x=x, y=base.rounds(y, 4), mode="markers", marker=marker, hovertemplate=hover)
    drawn.update_yaxes(rangemode="tozero")
    return drawn


PLOT = base.Plot("hardware", "Time and hardware by trial", compute, draw)
