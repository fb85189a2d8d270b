"""Learning curves, with the rungs at which trials were compared and the places where they stopped."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import MOST_READ, StudySnapshot, TrialView

Curve = tuple[tuple[int, float], ...]
MOST_POINTS = 40  # of one curve
GAP = (None, None)
LOG_FROM = 9  # times: where the rungs span more, the axis of epochs is logarithmic


@dataclass(frozen=True, kw_only=True)
class Curves(base.Shown):
    """Each trial's metric by epoch.

    Attributes:
        whole, stopped, failed: trial -> (epoch, value) pairs, the best and the baseline left out.
        best, baseline: of those two; empty where there is none.
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
    """The data of the plot."""
    known = [s for s in snapshot.seen if s.curve]
    best, first = snapshot.best, snapshot.baseline
    apart = {s.number for s in (best, first) if s}
    early = [s for s in known if s.stopped(snapshot.info)]
    failed = [s for s in known if s.value is None]
    over = [s for s in known if s not in early and s not in failed]
    values = [value for s in known for _, value in s.curve]
    limits = base.clear_range(values, snapshot.info.metric.maximize)
    return Curves(
        missing=_missing(snapshot, bool(known)),
        note=base.sentences(_marks(snapshot, early), _sample(snapshot), base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        max_epochs=snapshot.info.max_epochs,
        rungs=snapshot.rungs,
        whole=_thin(s for s in over if s.number not in apart),
        stopped=_thin(s for s in early if s.number not in apart),
        failed=_thin(failed),
        best=_points(best.curve) if best else (),
        best_number=best.number if best else -1,
        baseline=_points(first.curve) if first and first is not best else (),
        limits=limits,
    )


def _missing(snapshot: StudySnapshot, known: bool) -> str:
    if snapshot.info.max_epochs == 1:
        return "A trial has one epoch: there are no curves."
    return "" if known else "No trial has a learning curve yet."


def _marks(snapshot: StudySnapshot, early: Sequence[TrialView]) -> str:
    rungs = "Dotted lines are the rungs at which trials were compared." if snapshot.rungs else ""
    return base.sentences(rungs, "A ring is where a trial was stopped." if early else "")


def _sample(snapshot: StudySnapshot) -> str:
    if snapshot.curves_read >= len(snapshot.scored):
        return ""
    return (
        f"{snapshot.curves_read:,} of {len(snapshot.seen):,} curves are drawn: those of the best "
        f"{MOST_READ // 2} trials, and a sample of the others."
    )


def _thin(seen: Iterable[TrialView]) -> dict[int, Curve]:
    return {s.number: _points(s.curve) for s in seen}


def _points(curve: Curve) -> Curve:
    places = base.thinned(len(curve), MOST_POINTS, [len(curve) - 1])
    return tuple(curve[i] for i in places)


def draw(data: Curves) -> list[Any]:
    """The figure."""
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
    """Many curves as one line with gaps: a browser draws that much faster."""
    points = [(*p, n) for n, curve in curves.items() for p in (*curve, GAP)]
    if points:
        x, y, numbers = zip(*points, strict=True)
        line = {"color": colour, "width": 1}
        drawn.add_scatter(
            x=x, y=base.rounds(y), customdata=numbers, mode="lines", name=name, line=line, opacity=0.6,
            hovertemplate=_hover(data),
        )  # fmt: skip


def _ends(drawn: Any, data: Curves) -> None:
    """A mark where a trial was stopped."""
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
