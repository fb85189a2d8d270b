"""Two metrics at once: dominance ranks, and a picture of the front."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import StudyError

FRONT, BEHIND = "#d55e00", "#0072b2"  # of Okabe and Ito's palette, which the colour-blind can tell apart


def fronts(losses: Sequence[tuple[float, float]]) -> list[int]:
    """The front of each point, from 1: those that no other point dominates; then those behind; and so on.

    One point dominates another if it is no worse in both and better in one. Sorted by the first value, a
    point belongs to the first front whose lowest second value so far is above its own (Jensen 2003), so n
    points take n log n steps.

    Args:
        losses: pairs of which less is better.
    """
    found, lowest = [0] * len(losses), list[float]()
    before: tuple[tuple[float, float], int] | None = None
    for i in sorted(range(len(losses)), key=losses.__getitem__):
        point = losses[i]
        equal = before is not None and before[0] == point  # equal points do not dominate each other
        place = before[1] if before and equal else bisect_right(lowest, point[1])
        lowest[place : place + 1] = [point[1]]
        found[i], before = place + 1, (point, place)
    return found


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


def draw(figure: Any, shown: Picture, front: str = FRONT, behind: str = BEHIND) -> None:
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


def write(shown: Picture, file: str) -> None:
    """Draw the front into an HTML file that needs nothing else.

    Raises:
        StudyError: the file cannot be written.
    """
    import plotly.graph_objects as go

    figure = go.Figure()
    draw(figure, shown)
    figure.update_layout(template="plotly_white", xaxis_title=escape(shown.x), yaxis_title=escape(shown.y))
    try:
        Path(file).write_text(figure.to_html(include_plotlyjs=True), encoding="utf-8")
    except OSError as error:
        raise StudyError(f"plot {file!r} cannot be written: {error.strerror}") from None
