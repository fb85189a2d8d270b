"""Draws time and hardware by trial."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView
from mlflow_hpo.store import keys


@dataclass(frozen=True)
class Quantity:
    """One quantity by trial, with its unit in the title."""

    title: str
    points: tuple[tuple[int, float], ...]


@dataclass(frozen=True, kw_only=True)
class Hardware(base.PlotData):
    """The quantities that were measured."""

    quantities: tuple[Quantity, ...] = ()


def _seconds(view: TrialView) -> float | None:
    return view.trial.seconds or None


def _per_epoch(view: TrialView) -> float | None:
    epochs = view.trial.epochs - view.trial.start
    return view.trial.seconds / epochs if epochs > 0 and view.trial.seconds else None


def _cores(view: TrialView) -> float | None:
    if keys.CPU_SECONDS not in view.used or not view.spans:
        return None
    last = view.spans[-1]  # the CPU seconds are those of the last unit
    return view.used[keys.CPU_SECONDS] / max(last.end - last.begin, 1e-3)


MEASURED: tuple[tuple[str, Callable[[TrialView], float | None]], ...] = (
    ("wall time (seconds)", _seconds),
    ("wall time of an epoch (seconds)", _per_epoch),
    ("CPU cores kept busy", _cores),
    ("peak memory (MB)", lambda view: view.used.get(keys.PEAK_MEMORY)),
    ("GPU memory (MB)", lambda view: view.used.get(keys.GPU_MEMORY)),
)


def compute(snapshot: StudySnapshot) -> Hardware:
    """Returns the plot's data."""
    views = [snapshot.views[i] for i in base.thinned(len(snapshot.views))]
    quantities = [
        Quantity(title, tuple((v.number, value) for v in views if (value := measured(v)) is not None))
        for title, measured in MEASURED
    ]
    drawn = tuple(quantity for quantity in quantities if quantity.points)
    missing = "" if drawn else "Nothing has been measured yet."
    return Hardware(missing=missing, note=base.of_all(len(views), len(snapshot.views)), quantities=drawn)


def draw(data: Hardware) -> list[Any]:
    """Returns a figure for each quantity."""
    return [_figure(quantity) for quantity in data.quantities]


def _figure(quantity: Quantity) -> Any:
    figure = base.figure("trial", quantity.title, 260, legend=False)
    x, y = zip(*quantity.points, strict=True)
    marker = {"color": base.PLAIN, "size": 6}
    hover = "trial %{x}: %{y}<extra></extra>"
    figure.add_scatter(x=x, y=base.rounds(y, 4), mode="markers", marker=marker, hovertemplate=hover)
    figure.update_yaxes(rangemode="tozero")
    return figure


PLOT = base.Plot("hardware", "Time and hardware by trial", compute, draw)
