"""The best value over wall time."""

from dataclasses import dataclass

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot


@dataclass(frozen=True, kw_only=True)
class Wall(base.Shown):
    """The best value so far by time since the study began.

    Attributes:
        seconds, values, numbers: wherever it changed: when, what it became, and by which trial; the last
            entry is the end of the study.
    """

    metric: str = ""
    seconds: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
    numbers: tuple[int, ...] = ()
    baseline: float | None = None
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> Wall:
    """The data of the plot: each unit's value at its end, in the order of time."""
    found = list[tuple[float, float, int]]()
    for result in results(snapshot):
        if not found or snapshot.better(result[1], found[-1][1]):
            found.append(result)
    if not found:
        return Wall(missing="No trial has a value yet.")
    end = max(snapshot.seconds, found[-1][0])
    seconds, values, numbers = zip(*found, (end, *found[-1][1:]), strict=True)
    limits = base.clear_range(values, snapshot.info.metric.maximize)
    rungs = "Counted are the values after each unit, also at rungs." if snapshot.rungs else ""
    return Wall(
        note=base.sentences(rungs, base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        seconds=seconds,
        values=values,
        numbers=numbers,
        baseline=snapshot.baseline.value if snapshot.baseline else None,
        limits=limits,
    )


def results(snapshot: StudySnapshot) -> list[tuple[float, float, int]]:
    """(seconds, value, trial) of every unit that ended with a value, by time."""
    return sorted(
        (span.end, snapshot.info.metric.value(s.trial.losses[span.epochs]), s.number)
        for s in snapshot.scored
        for span in s.spans
        if span.epochs in s.trial.losses
    )


def draw(data: Wall) -> list[object]:
    """The figure."""
    size, unit = base.time_unit(data.seconds[-1])
    drawn = base.figure(f"{unit} since the study began", data.metric)
    drawn.update_yaxes(range=data.limits)
    drawn.update_xaxes(rangemode="tozero")
    drawn.add_scatter(
        x=base.rounds([s / size for s in data.seconds]),
        y=base.rounds(data.values),
        customdata=data.numbers,
        mode="lines+markers",
        name="best so far",
        line={"color": base.BEST, "shape": "hv", "width": 2.5},
        hovertemplate=f"%{{x}} {unit}: {data.metric} %{{y}}, trial %{{customdata}}<extra></extra>",
    )
    if data.baseline is not None:
        base.add_baseline(drawn, data.baseline)
    return [drawn]


PLOT = base.Plot("wall", "The best value over wall time", compute, draw)
