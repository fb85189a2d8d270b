"""Shared by the plots: their shape, the page's colours by name, axes, thinning.

A figure names its colours as CSS variables, `var(--best)`; the page's script puts in those of the theme.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from math import floor, isfinite
from typing import Any, Generic, TypeVar

from mlflow_hpo.metric import Metric
from mlflow_hpo.report.snapshot import StudySnapshot, TrialView

BEST, BASELINE, PLAIN, STOPPED = "var(--best)", "var(--baseline)", "var(--plain)", "var(--stopped)"
FAILED, RULE, PAPER = "var(--failed)", "var(--rule)", "var(--paper)"
SCALE = tuple(f"var(--scale-{i})" for i in range(5))  # from the best to the worst
COLORSCALE = [[i / (len(SCALE) - 1), colour] for i, colour in enumerate(SCALE)]

MOST_POINTS = 600  # in one figure's cloud: more cannot be told apart, and makes the page slow
DIGITS = 5
AXIS_LETTERS = 34
NO_VALUE = "No trial has a value yet."


@dataclass(frozen=True, kw_only=True)
class PlotData:
    """The data of a plot.

    Attributes:
        missing: why there is nothing to draw; empty if there is.
        note: what to know when reading it.
    """

    missing: str = ""
    note: str = ""


Data = TypeVar("Data", bound=PlotData)


@dataclass(frozen=True)
class Plot(Generic[Data]):
    """One plot of the page: first its data, then its figures.

    Attributes:
        name: its anchor in the page.
        width: the least width in pixels that it can be read at; on a narrower page it is scrolled.
    """

    name: str
    title: str
    compute: Callable[[StudySnapshot], Data]
    draw: Callable[[Data], list[Any]]
    width: Callable[[Data], int] = lambda data: 0


def figure(
    x: str, y: str, height: int = 340, log_x: bool = False, log_y: bool = False, legend: bool = True
) -> Any:
    """Makes an empty figure with named axes; a long name is shortened to fit a narrow screen."""
    import plotly.graph_objects as go

    empty = go.Figure()
    empty.update_layout(template="none", height=height, showlegend=legend)
    empty.update_xaxes(title=short(x, AXIS_LETTERS), type="log" if log_x else None)
    empty.update_yaxes(title=short(y, AXIS_LETTERS), type="log" if log_y else None)
    return empty


def rounded(value: float | None, digits: int = DIGITS) -> float | int | None:
    """Rounds a number to what a screen can show, so that the page stays small; returns None for NaN."""
    if value is None or not isfinite(value):
        return None
    short = float(f"{value:.{digits}g}")
    return int(short) if short.is_integer() and abs(short) < 1e15 else short


def rounds(values: Sequence[float | None], digits: int = DIGITS) -> list[float | int | None]:
    """Rounds each of the values."""
    return [rounded(value, digits) for value in values]


def thinned(count: int, most: int = MOST_POINTS, keep: Sequence[int] = ()) -> list[int]:
    """Returns at most so many indices of a sequence, spread evenly, in order, and those of `keep`."""
    if count <= most:
        return list(range(count))
    return sorted({floor(i * count / most) for i in range(most)} | set(keep))


def of_all(drawn: int, count: int) -> str:
    """Returns a sentence that says how many trials are drawn; empty if all are."""
    return f"{drawn:,} of {count:,} trials are drawn." if drawn < count else ""


def cloud(snapshot: StudySnapshot) -> list[TrialView]:
    """Returns the trials with a value, by number; of many a sample, with the best ten and the baseline."""
    chosen = {view.number for view in snapshot.ranked[:10]} | {0}
    keep = [i for i, view in enumerate(snapshot.scored) if view.number in chosen]
    return [snapshot.scored[i] for i in thinned(len(snapshot.scored), MOST_POINTS, keep)]


def clear_range(values: Sequence[float], metric: Metric) -> tuple[float, float] | None:
    """Returns an axis for a metric that leaves out values so bad that the rest would be one line.

    Left out is what lies further from the median, on the bad side, than five times the good half's breadth.
    Returns None if that is nothing.
    """
    if len(values) < 5:
        return None
    losses = sorted(map(metric.loss, values))
    good, middle = losses[0], losses[len(losses) // 2]
    limit = middle + 5 * max(middle - good, 1e-3 * abs(middle), 1e-12)
    within = max(v for v in losses if v <= limit)
    margin = 0.05 * max(within - good, 1e-12)
    low, high = good - margin, within + margin
    if losses[-1] <= high:  # nothing lies beyond
        return None
    low, high = sorted((metric.value(low), metric.value(high)))
    return low, high


def beyond(values: Sequence[float], limits: tuple[float, float] | None) -> str:
    """Returns a sentence on what the axis leaves out; empty if that is nothing."""
    if limits is None:
        return ""
    out = [v for v in values if not limits[0] <= v <= limits[1]]
    far = max(out, key=lambda v: abs(v - (limits[0] + limits[1]) / 2))
    lie = "1 worse value lies" if len(out) == 1 else f"{len(out):,} worse values lie"
    return f"{lie} outside the axis, as far as {far:.4g}."


UNITS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def time_unit(seconds: float) -> tuple[float, str]:
    """Returns the unit to show a duration in: its length in seconds, and its name."""
    return next(((size, name) for size, name in UNITS if seconds > 3 * size), (1.0, "seconds"))


def escaped(text: str) -> str:
    """Escapes a user's word for a figure: plotly takes some HTML in its texts."""
    return escape(text, quote=False)


def short(text: str, most: int) -> str:
    """Escapes a user's word, and leaves out the middle if it is too long: words differ at their ends."""
    if len(text) > most:
        ahead = most // 2
        text = f"{text[:ahead]}…{text[len(text) - most + ahead + 1 :]}"
    return escaped(text)


def sentences(*parts: str) -> str:
    """Joins the parts that are not empty."""
    return " ".join(part for part in parts if part)


def add_baseline(figure: Any, value: float | None) -> None:
    """Adds a line across the figure at the baseline's value, if there is one."""
    if value is None:
        return
    line = {"dash": "dash", "color": BASELINE, "width": 1.5}
    figure.add_hline(rounded(value), line=line)
    figure.add_scatter(x=[None], y=[None], mode="lines", name="baseline", line=line)  # for the legend


def add_failed(figure: Any, numbers: Sequence[int]) -> None:
    """Adds crosses at the foot of the figure for the trials that failed."""
    figure.add_scatter(
        x=list(numbers),
        y=[0.02] * len(numbers),
        yaxis="y2",
        mode="markers",
        name="failed",
        marker={"symbol": "x", "color": FAILED, "size": 8},
        hovertemplate="trial %{x}: failed<extra></extra>",
    )
    figure.update_layout(yaxis2={"overlaying": "y", "range": [0, 1], "visible": False, "fixedrange": True})
