"""Draws two metrics at once: which trials no other one dominates. Only on a page that asks for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.plots import base


@dataclass(frozen=True)
class Point:
    """A trial by two metrics.

    Attributes:
        front: the number of the front that it is on, from 1.
    """

    name: str
    x: float
    y: float
    front: int


@dataclass(frozen=True, kw_only=True)
class Front(base.PlotData):
    """The trials by two metrics.

    Attributes:
        x, y: the names of the metrics.
        first: the points of the first front, from left to right.
        behind: the others; of many, a part.
    """

    x: str
    y: str
    first: tuple[Point, ...] = ()
    behind: tuple[Point, ...] = ()


def compute(x: str, y: str, points: Sequence[Point]) -> Front:
    """Returns the plot's data: the whole front, and as much of what lies behind it as can be told apart."""
    ordered = sorted(points, key=lambda p: (p.x, p.y))
    first, behind = [p for p in ordered if p.front == 1], [p for p in ordered if p.front > 1]
    if not first:
        return Front(missing=f"No trial has both {x} and {y}.", x=x, y=y)
    drawn = [behind[i] for i in base.thinned(len(behind))]
    note = base.sentences(
        "No trial is better in one metric than one on the front, and no worse in the other.",
        base.of_all(len(drawn) + len(first), len(points)),
    )
    return Front(note=note, x=x, y=y, first=tuple(first), behind=tuple(drawn))


def draw(data: Front) -> list[Any]:
    """Returns the figure."""
    figure = base.figure(data.x, data.y)
    for name, points, colour, mode in (
        ("behind", data.behind, base.PLAIN, "markers"),
        ("the front", data.first, base.BEST, "lines+markers"),
    ):
        figure.add_scatter(
            x=[p.x for p in points],
            y=[p.y for p in points],
            text=[base.escaped(p.name) for p in points],
            mode=mode,
            name=name,
            marker={"color": colour},
            hovertemplate="%{text}<br>%{x:.6g}, %{y:.6g}<extra></extra>",
        )
    return [figure]


def plot(x: str, y: str, points: Sequence[Point]) -> base.Plot[Front]:
    """Makes the plot of these points."""
    return base.Plot("front", f"{x} against {y}", lambda snapshot: compute(x, y, points), draw)
