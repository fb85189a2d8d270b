"""Draws learning curves, with the rungs at which trials were compared and the places where they stopped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import MOST_READ, StudySnapshot, TrialView

Curve = tuple[tuple[int, float], ...]
MOST_POINTS = 40  # of one curve
GAP = (None, None)
LOG_FROM = 9  # the axis of epochs is logarithmic if the rungs span more than so many times the first


@dataclass(frozen=True, kw_only=True)
class Curves(base.PlotData):
    """Each trial's metric by epoch.

    Attributes:
        whole, stopped, failed: trial -> (epoch, value) pairs, the best and the baseline left out.
        best, baseline: the curves of these two; empty if there is none.
    """

    metric: str = ""
    max_epochs: int = 0
    rungs: tuple[int, ...] = ()
    whole: Mapping[int, Curve] = field(default_factory=dict)
    stopped: Mapping[int, Curve] = field(default_factory=dict)
    failed: Mapping[int, Curve] = field(default_factory=dict)
    best: Curve = ()
    best_number: int = -1
    baseline: Curve = ()
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> Curves:
    """Returns the plot's data."""
    views = [view for view in snapshot.views if view.curve]
    best, first = snapshot.best, snapshot.baseline
    apart = {view.number for view in (best, first) if view}
    early = [view for view in views if view.stopped(snapshot.info)]
    failed = [view for view in views if view.value is None]
    whole = [view for view in views if view not in early and view not in failed]
    values = [value for view in views for _, value in view.curve]
    limits = base.clear_range(values, snapshot.info.metric)
    return Curves(
        missing=_missing(snapshot, bool(views)),
        note=base.sentences(_marks(snapshot, early), _sample(snapshot), base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        max_epochs=snapshot.info.max_epochs,
        rungs=snapshot.rungs,
        whole=_thin(view for view in whole if view.number not in apart),
        stopped=_thin(view for view in early if view.number not in apart),
        failed=_thin(failed),
        best=_points(best.curve) if best else (),
        best_number=best.number if best else -1,
        baseline=_points(first.curve) if first and first is not best else (),
        limits=limits,
    )


def _missing(snapshot: StudySnapshot, has_curves: bool) -> str:
    if snapshot.info.max_epochs == 1:
        return "A trial has one epoch: there are no curves."
    return "" if has_curves else "No trial has a learning curve yet."


def _marks(snapshot: StudySnapshot, early: Sequence[TrialView]) -> str:
    rungs = "Dotted lines are the rungs at which trials were compared." if snapshot.rungs else ""
    return base.sentences(rungs, "A ring is where a trial was stopped." if early else "")


def _sample(snapshot: StudySnapshot) -> str:
    if snapshot.curves_read >= len(snapshot.scored):
        return ""
    return (
        f"{snapshot.curves_read:,} of {len(snapshot.views):,} curves are drawn: those of the best "
        f"{MOST_READ // 2} trials, and a sample of the others."
    )


def _thin(views: Iterable[TrialView]) -> dict[int, Curve]:
    return {view.number: _points(view.curve) for view in views}


def _points(curve: Curve) -> Curve:
    places = base.thinned(len(curve), MOST_POINTS, [len(curve) - 1])
    return tuple(curve[i] for i in places)


def draw(data: Curves) -> list[Any]:
    """Returns the figure."""
    log = bool(data.rungs) and data.max_epochs >= LOG_FROM * data.rungs[0]
    drawn = base.figure("epoch (log scale)" if log else "epoch", data.metric, 420, log_x=log)
    drawn.update_yaxes(range=data.limits)
    if data.rungs:
        drawn.update_xaxes(tickvals=data.rungs, ticktext=[str(r) for r in data.rungs])
    for rung in data.rungs:
        drawn.add_vline(rung, line={"color": base.RULE, "dash": "dot", "width": 1.5})
    _lines(drawn, data, data.stopped, "stopped early", base.STOPPED)
    _lines(drawn, data, data.whole, "trained to the end", base.PLAIN)
    _lines(drawn, data, data.failed, "failed", base.FAILED)
    _ends(drawn, data)
    _line(drawn, data, data.baseline, "baseline", base.BASELINE, 0, "dash")
    _line(drawn, data, data.best, f"best, trial {data.best_number}", base.BEST, data.best_number, "solid")
    return [drawn]


def _lines(drawn: Any, data: Curves, curves: Mapping[int, Curve], name: str, colour: str) -> None:
    """Adds many curves as one line with gaps: a browser draws that much faster."""
    points = [(*p, n) for n, curve in curves.items() for p in (*curve, GAP)]
    if points:
        x, y, numbers = zip(*points, strict=True)
        line = {"color": colour, "width": 1}
        drawn.add_scatter(
            x=x, y=base.rounds(y), customdata=numbers, mode="lines", name=name, line=line, opacity=0.6,
            hovertemplate=_hover(data),
        )  # fmt: skip


def _ends(drawn: Any, data: Curves) -> None:
    """Adds a mark where a trial was stopped."""
    ends = [(*curve[-1], n) for n, curve in data.stopped.items()]
    if ends:
        x, y, numbers = zip(*ends, strict=True)
        marker = {"symbol": "circle-open", "color": base.STOPPED, "size": 6}
        drawn.add_scatter(
            x=x, y=base.rounds(y), customdata=numbers, mode="markers", marker=marker,
            showlegend=False,
            hovertemplate=_hover(data),
        )  # fmt: skip


def _line(drawn: Any, data: Curves, curve: Curve, name: str, colour: str, number: int, dash: str) -> None:
    if curve:
        x, y = zip(*curve, strict=True)
        line = {"color": colour, "width": 3, "dash": dash}
        drawn.add_scatter(
            x=x, y=base.rounds(y), customdata=[number] * len(x), mode="lines+markers", name=name, line=line,
            hovertemplate=_hover(data),
        )  # fmt: skip


def _hover(data: Curves) -> str:
    return f"trial %{{customdata}}, epoch %{{x}}: {data.metric} %{{y}}<extra></extra>"


PLOT = base.Plot("curves", "Learning curves", compute, draw)
