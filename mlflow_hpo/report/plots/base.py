"""What the plots have in common: their shape, the page's colours by name, axes, thinning.

A figure names its colours as CSS variables, `var(--best)`; the page's script puts in those of the theme.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite
from typing import Any, Generic, TypeVar

from mlflow_hpo.report.snapshot import StudySnapshot, TrialView

BEST, BASELINE, PLAIN, STOPPED = "var(--best)", "var(--baseline)", "var(--plain)", "var(--stopped)"
FAILED, RULE, PAPER = "var(--failed)", "var(--rule)", "var(--paper)"
SCALE = tuple(f"var(--scale-{i})" for i in range(5))  # from the best to the worst
COLORSCALE = [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)]

MOST_POINTS = 600  # in one figure's cloud: more cannot be told apart, and makes the page slow
DIGITS = 5
AXIS_LETTERS = 34


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What a plot shows.

    Attributes:
        missing: why there is nothing to draw; empty where there is.
        note: what to know when reading it.
    """

    missing: str = ""
    note: str = ""


Data = TypeVar("Data", bound=Shown)


@dataclass(frozen=True)
class Plot(Generic[Data]):
    """One plot of the page: first its data, then its figures.

    Attributes:
        name: its anchor in the page.
        width: the least width in pixels that it can be read at, for what it shows; narrower, it is scrolled.
    """

    name: str
    title: str
    compute: Callable[[StudySnapshot], Data]
    draw: Callable[[Data], list[Any]]
    width: Callable[[Data], int] = lambda data: 0


def figure(
    x: str, y: str, height: int = 340, log_x: bool = False, log_y: bool = False, legend: bool = True
) -> Any:
    """An empty figure with named axes; of a long name there is as much as a narrow screen has room for."""
    import plotly.graph_objects as go

    empty = go.Figure()
    empty.update_layout(template="none", height=height, showlegend=legend)
    empty.update_xaxes(title=short(x, AXIS_LETTERS), type="log" if log_x else None)
    empty.update_yaxes(title=short(y, AXIS_LETTERS), type="log" if log_y else None)
    return empty


def rounded(value: float | None, digits: int = DIGITS) -> float | int | None:
    """A number with as many digits as a screen can show, so that the page stays small; None for NaN."""
    if value is None or not isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def rounds(values: Sequence[float | None], digits: int = DIGITS) -> list[float | int | None]:
    """Each of them rounded."""
    return [rounded(v, digits) for v in values]


def thinned(count: int, most: int = MOST_POINTS, keep: Sequence[int] = ()) -> list[int]:
    """At most so many places of a sequence, spread evenly, in order; those of `keep` in any case."""
    if count <= most:
        return list(range(count))
    return sorted({floor(i * count / most) for i in range(most)} | set(keep))


def of_all(shown: int, count: int, what: str = "trials") -> str:
    """A sentence where not all is shown; else nothing."""
    return f"{shown:,} of {count:,} {what} are drawn." if shown < count else ""


def cloud(snapshot: StudySnapshot) -> list[TrialView]:
    """Trials with a value for a scatter, by number; of many a sample, with the best ten and the baseline."""
    chosen = {s.number for s in snapshot.ranked[:10]} | {0}
    keep = [i for i, s in enumerate(snapshot.scored) if s.number in chosen]
    return [snapshot.scored[i] for i in thinned(len(snapshot.scored), MOST_POINTS, keep)]


def clear_range(values: Sequence[float], maximize: bool) -> tuple[float, float] | None:
    """The axis for a metric where a few values are so bad that the rest would be one line; None otherwise.

    Beyond is what lies further from the median, on the bad side, than five times the good half's breadth.
    """
    if len(values) < 5:
        return None
    losses = sorted(-v if maximize else v for v in values)
    good, middle = losses[0], losses[len(losses) // 2]
    limit = middle + 5 * max(middle - good, 1e-3 * abs(middle), 1e-12)
    within = max(v for v in losses if v <= limit)
    margin = 0.05 * max(within - good, 1e-12)
    low, high = good - margin, within + margin
    if losses[-1] <= high:  # nothing lies beyond
        return None
    return (-high, -low) if maximize else (low, high)


def beyond(values: Sequence[float], limits: tuple[float, float] | None) -> str:
    """A sentence on what the axis leaves out."""
    if limits is None:
        return ""
    out = [v for v in values if not limits[0] <= v <= limits[1]]
    far = max(out, key=lambda v: abs(v - (limits[0] + limits[1]) / 2))
    lie = "1 worse value lies" if len(out) == 1 else f"{len(out):,} worse values lie"
    return f"{lie} outside the axis, as far as {far:.4g}."


UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def time_unit(seconds: float) -> tuple[float, str]:
    """What to divide by, and its name, so that a duration is a number that people read."""
    return next(((size, name) for size, name in UNITS if seconds > 3 * size), (1.0, "seconds"))


def escaped(text: str) -> str:
    """A user's word within a figure: plotly takes some HTML in its texts."""
    return escape(text, quote=False)


def short(text: str, most: int) -> str:
    """A user's word as there is room for it; of a longer one the middle is left out, for ends tell apart."""
    if len(text) > most:
        ahead = most // 2
        text = f"{text[:ahead]}…{text[len(text) - most + ahead + 1 :]}"
    return escaped(text)


def sentences(*parts: str) -> str:
    """Those that are not empty, in one line."""
    return " ".join(part for part in parts if part)


def add_baseline(drawn: Any, value: float) -> None:
    """A line across the figure at the baseline's value."""
    drawn.add_hline(rounded(value), line={"dash": "dash", "color": BASELINE, "width": 1.5})
    line = {"dash": "dash", "color": BASELINE, "width": 1.5}
    drawn.add_scatter(x=[None], y=[None], mode="lines", name="baseline", line=line)  # for the legend


def add_failed(drawn: Any, numbers: Sequence[int]) -> None:
    """Crosses at the foot of the figure for the trials that failed."""
    drawn.add_scatter(
        x=list(numbers),
        y=[0.02] * len(numbers),
        yaxis="y2",
        mode="markers",
        name="failed",
        marker={"symbol": "x", "color": FAILED, "size": 8},
        hovertemplate="trial %{x}: failed<extra></extra>",
    )
    drawn.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})
