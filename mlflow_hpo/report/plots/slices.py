"""Draws a slice for each hyperparameter: the metric over its values."""

from dataclasses import dataclass
from math import log10
from typing import Any

from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView

MOST_TICKS = 8
OPTION_LETTERS = 16
Point = tuple[int, float | int | str, float]  # trial, the hyperparameter's value, the metric


@dataclass(frozen=True)
class Slice:
    """One hyperparameter.

    Attributes:
        options: the options of a choice; none for a number.
        ticks: all values of a number with steps, if they are few.
        ends: the range of a number; None for a choice.
        whole, stopped: trials trained to the end, and those that were not.
        best: one point, or none.
    """

    title: str
    log: bool
    options: tuple[str, ...]
    ticks: tuple[float, ...]
    ends: tuple[float, float] | None
    whole: tuple[Point, ...]
    stopped: tuple[Point, ...]
    best: tuple[Point, ...]


@dataclass(frozen=True, kw_only=True)
class Slices(base.PlotData):
    """The slices of all hyperparameters."""

    metric: str = ""
    slices: tuple[Slice, ...] = ()
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> Slices:
    """Returns the plot's data."""
    views = base.cloud(snapshot)
    varied = [c for c in columns(snapshot) if any(view.number in c.values for view in views)]
    if not varied:
        return Slices(missing=base.NO_VALUE)
    limits = base.clear_range(snapshot.values, snapshot.info.metric)
    drawn = base.of_all(len(views), len(snapshot.scored))
    return Slices(
        note=base.sentences(drawn, base.beyond(snapshot.values, limits)),
        metric=snapshot.info.metric.name,
        slices=tuple(_slice(snapshot, column, views) for column in varied),
        limits=limits,
    )


def _slice(snapshot: StudySnapshot, column: Column, views: list[TrialView]) -> Slice:
    active = [view for view in views if view.number in column.values]
    best = [view for view in active if view is snapshot.best]
    stopped = [view for view in active if view.stopped(snapshot.info) and view not in best]
    whole = [view for view in active if view not in stopped and view not in best]
    groups = (tuple(_point(column, view) for view in group) for group in (whole, stopped, best))
    ends = None if column.is_choice else (column.at(0.0), column.at(1.0))
    ticks = tuple(column.grid(MOST_TICKS))
    return Slice(column.title, column.log, tuple(column.options), ticks, ends, *groups)


def _point(column: Column, view: TrialView) -> Point:
    return view.number, column.place(view.number), view.value or 0.0


def draw(data: Slices) -> list[Any]:
    """Returns a figure for each hyperparameter."""
    return [_figure(data, s) for s in data.slices]


def _figure(data: Slices, one: Slice) -> Any:
    title = one.title + (" (log scale)" if one.log else "")
    figure = base.figure(title, data.metric, 260, log_x=one.log, legend=False)
    figure.update_yaxes(range=data.limits)
    _scale(figure, one)
    kinds = (
        (one.stopped, {"symbol": "circle-open", "color": base.STOPPED, "size": 6}),
        (one.whole, {"symbol": "circle", "color": base.PLAIN, "size": 6}),
        (one.best, {"symbol": "star", "color": base.BEST, "size": 14}),
    )
    for points, marker in kinds:
        if points:
            _points(figure, data.metric, one, points, marker)
    return figure


def _scale(figure: Any, one: Slice) -> None:
    """Shows the whole range that is searched, so that one sees what lies at its edge."""
    if one.ends is None:
        order = [base.escaped(o) for o in one.options]
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=order)
        texts = [base.short(o, OPTION_LETTERS) for o in one.options]
        figure.update_xaxes(range=[-0.5, len(order) - 0.5], tickvals=[*range(len(texts))], ticktext=texts)
        return
    values = [float(p[1]) for p in (*one.whole, *one.stopped, *one.best)]
    low, high = min([one.ends[0], *values]), max([one.ends[1], *values])
    low, high = (log10(low), log10(high)) if one.log and low > 0 else (low, high)
    margin = 0.04 * (high - low)
    figure.update_xaxes(range=[base.rounded(low - margin), base.rounded(high + margin)])
    if one.ticks:
        figure.update_xaxes(tickvals=one.ticks)
    elif one.log and high - low >= 2:
        figure.update_xaxes(dtick=1)


def _points(figure: Any, metric: str, one: Slice, points: tuple[Point, ...], marker: dict[str, Any]) -> None:
    numbers, x, y = zip(*points, strict=True)
    name, metric = base.escaped(one.title), base.escaped(metric)
    x = tuple(base.escaped(v) if isinstance(v, str) else base.rounded(v) for v in x)
    figure.add_scatter(
        x=x, y=base.rounds(y), customdata=numbers, mode="markers", marker=marker,
        hovertemplate=f"trial %{{customdata}}: {name} %{{x}}, {metric} %{{y}}<extra></extra>",
    )  # fmt: skip


PLOT = base.Plot("slices", "A slice for each hyperparameter", compute, draw)
