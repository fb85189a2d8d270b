"""Two metrics at once: a picture of the front."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any


@dataclass(frozen=True)
class Point:
    """A trial in the picture."""

    name: str
    x: float
    y: float
    front: int


@dataclass(frozen=True)
class Picture:
    """What is drawn.

    Attributes:
        front: the points of the first front, from left to right.
        behind: all others.
    """

    x: str
    y: str
    front: tuple[Point, ...]
    behind: tuple[Point, ...]


def picture(names: Sequence[str], points: Sequence[Point]) -> Picture:
    """The front and what is behind it; `names` are those of the two metrics."""
    ordered = sorted(points, key=lambda p: (p.x, p.y))
    first = tuple(p for p in ordered if p.front == 1)
    return Picture(names[0], names[1], first, tuple(p for p in ordered if p.front > 1))


def draw(figure: Any, shown: Picture, front: str, behind: str) -> None:
    """Draw the points into a figure of plotly's, in these colours."""
    for title, points, colour, mode in (
        ("behind", shown.behind, behind, "markers"),
        ("the front", shown.front, front, "lines+markers"),
    ):
        figure.add_scatter(
            x=[p.x for p in points],
            y=[p.y for p in points],
            text=[escape(p.name) for p in points],
            mode=mode,
            name=title,
            marker={"color": colour},
            hovertemplate="%{text}<br>%{x:.6g}, %{y:.6g}<extra></extra>",
        )
