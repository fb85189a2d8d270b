"""Draws the best value so far, over trials and over wall time."""

from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot

LINE = {"color": base.BEST, "shape": "hv", "width": 2.5}


@dataclass(frozen=True, kw_only=True)
class History(base.PlotData):
    """The values by trial.

    Attributes:
        whole, stopped: (number, value) of trials trained to the end, and of those that were not.
        steps: (number, value) at each trial that was better than all before it, and at the last trial.
        failed: the numbers of the trials that failed.
    """

    metric: str = ""
    whole: tuple[tuple[int, float], ...] = ()
    stopped: tuple[tuple[int, float], ...] = ()
    steps: tuple[tuple[int, float], ...] = ()
    failed: tuple[int, ...] = ()
    baseline: float | None = None
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> History:
    """Returns the data of the plot over trials."""
    if not snapshot.scored:
        return History(missing=base.NO_VALUE)
    views = base.cloud(snapshot)
    early = {view.number for view in views if view.stopped(snapshot.info)}
    points = [(view.number, view.value) for view in views if view.value is not None]
    limits = base.clear_range(snapshot.values, snapshot.info.metric)
    failed = [view.number for view in snapshot.failed]
    drawn = base.of_all(len(views), len(snapshot.scored))
    return History(
        note=base.sentences(drawn, base.beyond(snapshot.values, limits)),
        metric=snapshot.info.metric.name,
        whole=tuple(p for p in points if p[0] not in early),
        stopped=tuple(p for p in points if p[0] in early),
        steps=_steps(snapshot),
        failed=tuple(failed[i] for i in base.thinned(len(failed))),
        baseline=snapshot.baseline.value if snapshot.baseline else None,
        limits=limits,
    )


def _steps(snapshot: StudySnapshot) -> tuple[tuple[int, float], ...]:
    steps = list[tuple[int, float]]()
    for view in snapshot.eligible:
        if view.value is not None and (not steps or snapshot.better(view.value, steps[-1][1])):
            steps.append((view.number, view.value))
    return (*steps, (snapshot.views[-1].number, steps[-1][1]))


def draw(data: History) -> list[Any]:
    """Returns the figure over trials."""
    figure = base.figure("trial", data.metric)
    figure.update_yaxes(range=data.limits)
    hover = f"trial %{{x}}: {data.metric} %{{y}}<extra></extra>"
    for name, points, symbol, colour in (
        ("trained to the end", data.whole, "circle", base.PLAIN),
        ("stopped early", data.stopped, "circle-open", base.STOPPED),
    ):
        if points:
            x, y = zip(*points, strict=True)
            marker = {"symbol": symbol, "color": colour}
            figure.add_scatter(
                x=x, y=base.rounds(y), mode="markers", name=name, marker=marker, hovertemplate=hover
            )
    x, y = zip(*data.steps, strict=True)
    figure.add_scatter(
        x=x, y=base.rounds(y), mode="lines", name="best so far", line=LINE, hovertemplate=hover
    )
    if data.failed:
        base.add_failed(figure, data.failed)
    base.add_baseline(figure, data.baseline)
    return [figure]


@dataclass(frozen=True, kw_only=True)
class WallTime(base.PlotData):
    """The best value so far by the time since the study began.

    Attributes:
        seconds, values, numbers: of each change of the best its time, its value and its trial; the last entry
            is the end of the study.
    """

    metric: str = ""
    seconds: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    numbers: tuple[int, ...] = ()
    baseline: float | None = None
    limits: tuple[float, float] | None = None


def compute_wall_time(snapshot: StudySnapshot) -> WallTime:
    """Returns the data of the plot over wall time: the best trial at each time, as the study then said it."""
    steps = _changes(snapshot)
    if not steps:
        return WallTime(missing=base.NO_VALUE)
    end = max(snapshot.seconds, steps[-1][0])
    seconds, values, numbers = zip(*steps, (end, *steps[-1][1:]), strict=True)
    limits = base.clear_range(values, snapshot.info.metric)
    rungs = "Counted are the values after each unit, also at rungs." if snapshot.rungs else ""
    return WallTime(
        note=base.sentences(rungs, base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        seconds=seconds,
        values=values,
        numbers=numbers,
        baseline=snapshot.baseline.value if snapshot.baseline else None,
        limits=limits,
    )


def _changes(snapshot: StudySnapshot) -> list[tuple[float, float, int]]:
    """Returns (seconds, value, trial) of the best one whenever that changed.

    Where the last epoch counts, the best trial may become worse as it trains on, and another one the best.
    """
    changes, values = list[tuple[float, float, int]](), dict[int, float]()
    loss = snapshot.info.metric.loss
    for seconds, value, number in _results(snapshot):
        values[number] = value
        if changes and number == changes[-1][2]:
            best = min(values, key=lambda one: (loss(values[one]), one))
        else:
            best = number if not changes or snapshot.better(value, changes[-1][1]) else changes[-1][2]
        if not changes or (values[best], best) != changes[-1][1:]:
            changes.append((seconds, values[best], best))
    return changes


def _results(snapshot: StudySnapshot) -> list[tuple[float, float, int]]:
    """Returns (seconds, value, trial) of every unit that ended with a value, by time."""
    return sorted(
        (span.end, snapshot.info.metric.value(view.trial.losses[span.epochs]), view.number)
        for view in snapshot.eligible
        for span in view.spans
        if span.epochs in view.trial.losses
    )


def draw_wall_time(data: WallTime) -> list[Any]:
    """Returns the figure over wall time."""
    size, unit = base.time_unit(data.seconds[-1])
    figure = base.figure(f"{unit} since the study began", data.metric)
    figure.update_yaxes(range=data.limits)
    figure.update_xaxes(rangemode="tozero")
    figure.add_scatter(
        x=base.rounds([seconds / size for seconds in data.seconds]),
        y=base.rounds(data.values),
        customdata=data.numbers,
        mode="lines+markers",
        name="best so far",
        line=LINE,
        hovertemplate=f"%{{x}} {unit}: {data.metric} %{{y}}, trial %{{customdata}}<extra></extra>",
    )
    base.add_baseline(figure, data.baseline)
    return [figure]


PLOT = base.Plot("history", "The best value over trials", compute, draw)
WALL_TIME = base.Plot("wall", "The best value over wall time", compute_wall_time, draw_wall_time)
