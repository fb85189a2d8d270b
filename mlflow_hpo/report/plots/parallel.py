"""Draws parallel coordinates: a line for each trial through its hyperparameters to its value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView

MOST = 300  # lines: more are one blur
GROUPS = (("the best tenth", 0.1), ("to a quarter", 0.25), ("to a half", 0.5), ("to three quarters", 0.75),
          ("the worst quarter", 1.0))  # fmt: skip
MOST_TICKS = 30  # options of one axis
AXIS_PIXELS = 105
TITLE_LETTERS, TICK_LETTERS = 15, 12  # which that has room for

Line = tuple[int, float, tuple[float | None, ...]]


@dataclass(frozen=True, kw_only=True)
class Parallel(base.PlotData):
    """Lines over axes, all from 0 to 1.

    Attributes:
        axes: titles, the metric last.
        ticks: (place, text) pairs of each axis.
        lines: for each trial, the best first: (number, its place in the ranking from 0 to 1, its place on
            each axis; None if the hyperparameter is not active).
    """

    axes: tuple[str, ...] = ()
    ticks: tuple[tuple[tuple[float, str], ...], ...] = ()
    lines: tuple[Line, ...] = ()


def compute(snapshot: StudySnapshot) -> Parallel:
    """Returns the plot's data."""
    if not snapshot.scored:
        return Parallel(missing=base.NO_VALUE)
    varied, values = columns(snapshot), snapshot.values
    places = base.thinned(len(snapshot.ranked), MOST, range(10))
    limits = base.clear_range(values, snapshot.info.metric) or (min(values), max(values))
    gaps = any(len(column.values) < len(snapshot.views) for column in varied)
    last = max(len(snapshot.ranked) - 1, 1)
    return Parallel(
        note=base.sentences(
            base.of_all(len(places), len(snapshot.ranked)),
            "A line has a gap where a hyperparameter is not active." if gaps else "",
        ),
        axes=(*(column.title for column in varied), snapshot.info.metric.name),
        ticks=(*map(_ticks, varied), _value_ticks(limits)),
        lines=tuple(
            (view.number, i / last, _line(varied, view, limits))
            for i, view in ((i, snapshot.ranked[i]) for i in places)
        ),
    )


def _ticks(column: Column) -> tuple[tuple[float, str], ...]:
    if column.is_choice:
        ticks = list(zip(column.option_parts, column.options, strict=True))
        return tuple(ticks[i] for i in base.thinned(len(ticks), MOST_TICKS))
    (low, start), (high, end) = column.ends()
    return ((start, low), (end, high))


def _value_ticks(limits: tuple[float, float]) -> tuple[tuple[float, str], ...]:
    low, high = limits
    return tuple((i / 4, f"{low + i / 4 * (high - low):.4g}") for i in range(5))


def _line(varied: Sequence[Column], view: TrialView, limits: tuple[float, float]) -> tuple[float | None, ...]:
    low, high = limits
    value = low if view.value is None else view.value
    place = min(max((value - low) / max(high - low, 1e-12), 0.0), 1.0)
    return (*(column.parts.get(view.number) for column in varied), place)


def draw(data: Parallel) -> list[Any]:
    """Draws the figure as plain lines, since plotly's own trace needs WebGL and knows no gaps."""
    drawn = base.figure("", "", 420)
    n = len(data.axes)
    names = [_broken(a) for a in data.axes]
    drawn.update_xaxes(tickvals=list(range(n)), ticktext=names, range=[-0.3, n - 0.45], showgrid=False)
    drawn.update_xaxes(zeroline=False, side="top", tickangle=0)
    drawn.update_yaxes(visible=False, range=[-0.06, 1.06])
    drawn.update_layout(legend={"y": 0, "yanchor": "top"})
    for axis, ticks in enumerate(data.ticks):
        drawn.add_vline(axis, line={"color": base.RULE, "width": 1})
        for place, text in ticks:
            drawn.add_annotation(
                x=axis, y=place, text=base.short(text, TICK_LETTERS), showarrow=False, xanchor="left",
                xshift=3, bgcolor=base.PAPER, opacity=0.85, font={"size": 11},
            )  # fmt: skip
    for group in reversed(range(len(GROUPS))):  # the best on top
        _group(drawn, data, group)
    return [drawn]


def _group(drawn: Any, data: Parallel, group: int) -> None:
    low, high = (GROUPS[group - 1][1] if group else -1.0), GROUPS[group][1]
    lines = [line for line in data.lines if low < line[1] <= high]
    if not lines:
        return
    x, y, numbers = list[int | None](), list[float | None](), list[int]()
    for number, _, places in lines:
        x += [*range(len(places)), None]
        y += [*base.rounds(places, 3), None]
        numbers += [number] * (len(places) + 1)
    drawn.add_scatter(
        x=x, y=y, customdata=numbers, mode="lines", name=GROUPS[group][0], legendrank=group,
        line={"color": base.SCALE[group], "width": 1 if group else 1.5},
        hovertemplate="trial %{customdata}<extra></extra>",
    )  # fmt: skip
    _alone(drawn, lines, group)


def _alone(drawn: Any, lines: Sequence[Line], group: int) -> None:
    """Adds a dot where a value stands between two gaps, and no line shows it."""
    dots = list[tuple[int, float, int]]()
    for number, _, places in lines:
        padded = (None, *places, None)
        for axis, place in enumerate(places):
            if place is not None and padded[axis] is None and padded[axis + 2] is None:
                dots.append((axis, place, number))
    if dots:
        x, y, numbers = zip(*dots, strict=True)
        drawn.add_scatter(
            x=x, y=base.rounds(y, 3), customdata=numbers, mode="markers", showlegend=False,
            marker={"color": base.SCALE[group], "size": 5},
            hovertemplate="trial %{customdata}<extra></extra>",
        )  # fmt: skip


def _broken(title: str) -> str:
    """Breaks a title that names the option it belongs to into two lines, each as short as its axis needs."""
    name, bracket, rest = title.partition(" (")
    below = f"<br>{base.short('(' + rest, TITLE_LETTERS)}" if bracket else ""
    return base.short(name, TITLE_LETTERS) + below


def width(data: Parallel) -> int:
    """Returns the width that leaves room for each axis."""
    return AXIS_PIXELS * len(data.axes)


PLOT = base.Plot("parallel", "Parallel coordinates", compute, draw, width)
