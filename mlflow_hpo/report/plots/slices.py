"""A slice for each hyperparameter: the metric over its values."""

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
        options: of a choice; none for a number.
        ticks: all values of a number with steps, where they are few.
        ends: the range's, of a number.
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
class Slices(base.Shown):
    """All of them."""

    metric: str = ""
    slices: tuple[Slice, ...] = ()
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> Slices:
    """The data of the plot."""
    drawn = base.cloud(snapshot)
    shown = [c for c in columns(snapshot) if any(s.number in c.values for s in drawn)]
    if not shown:
        return Slices(missing="No trial has a value yet.")
    values = [s.value for s in snapshot.scored if s.value is not None]
    limits = base.clear_range(values, snapshot.info.metric.maximize)
    return Slices(
        note=base.sentences(base.of_all(len(drawn), len(snapshot.scored)), base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        slices=tuple(_slice(snapshot, c, drawn) for c in shown),
        limits=limits,
    )


def _slice(snapshot: StudySnapshot, column: Column, drawn: list[TrialView]) -> Slice:
    active = [s for s in drawn if s.number in column.values]
    early = [s for s in active if s.stopped(snapshot.info)]
    best = [s for s in active if s is snapshot.best]
    rest = [s for s in active if s not in early and s not in best]
    early = [s for s in early if s not in best]
    groups = (tuple(_point(column, s) for s in group) for group in (rest, early, best))
    ends = None if column.is_choice else (column.at(0.0), column.at(1.0))
    ticks = tuple(column.grid(MOST_TICKS))
    return Slice(column.title, column.log, tuple(column.options), ticks, ends, *groups)


def _point(column: Column, seen: TrialView) -> Point:
    value = column.values[seen.number]
    shown = column.shown(value) if column.is_choice else value
    return seen.number, shown, seen.value or 0.0


def draw(data: Slices) -> list[Any]:
    """A figure for each hyperparameter."""
    return [_figure(data, s) for s in data.slices]


def _figure(data: Slices, one: Slice) -> Any:
    title = one.title + (" (log scale)" if one.log else "")
    drawn = base.figure(title, data.metric, 260, log_x=one.log, legend=False)
    drawn.update_yaxes(range=data.limits)
    _scale(drawn, one)
    kinds = (
        (one.stopped, {"symbol": "circle-open", "color": base.STOPPED, "size": 6}),
        (one.whole, {"symbol": "circle", "color": base.PLAIN, "size": 6}),
        (one.best, {"symbol": "star", "color": base.BEST, "size": 14}),
    )
    for points, marker in kinds:
        if points:
            _points(drawn, data.metric, one, points, marker)
    return drawn


def _scale(drawn: Any, one: Slice) -> None:
    """The whole range that is searched: what lies at its edge is to be seen there."""
    if one.ends is None:
        order = [base.escaped(o) for o in one.options]
        drawn.update_xaxes(type="category", categoryorder="array", categoryarray=order)
        shown = [base.short(o, OPTION_LETTERS) for o in one.options]
        drawn.update_xaxes(range=[-0.5, len(order) - 0.5], tickvals=[*range(len(shown))], ticktext=shown)
        return
    known = [float(p[1]) for p in (*one.whole, *one.stopped, *one.best)]
    low, high = min([one.ends[0], *known]), max([one.ends[1], *known])
    low, high = (log10(low), log10(high)) if one.log and low > 0 else (low, high)
    margin = 0.04 * (high - low)
    drawn.update_xaxes(range=[base.rounded(low - margin), base.rounded(high + margin)])
    if one.ticks:
        drawn.update_xaxes(tickvals=one.ticks)
    elif one.log and high - low >= 2:
        drawn.update_xaxes(dtick=1)


def _points(drawn: Any, metric: str, one: Slice, points: tuple[Point, ...], marker: dict[str, Any]) -> None:
    numbers, x, y = zip(*points, strict=True)
    name, metric = base.escaped(one.title), base.escaped(metric)
    x = tuple(base.escaped(v) if isinstance(v, str) else base.rounded(v) for v in x)
    drawn.add_scatter(
        x=x, y=base.rounds(y), customdata=numbers, mode="markers", marker=marker,
        hovertemplate=f"trial %{{customdata}}: {name} %{{x}}, {metric} %{{y}}<extra></extra>",
    )  # fmt: skip


PLOT = base.Plot("slices", "A slice for each hyperparameter", compute, draw)
