"""The best value over trials."""

from dataclasses import dataclass

from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot


@dataclass(frozen=True, kw_only=True)
class History(base.Shown):
    """Values by trial.

    Attributes:
        whole, stopped: (number, value) of trials trained to the end, and of those that were not.
        steps: (number, value) wherever the best so far changed, and at the end.
        failed: numbers of the trials that failed.
    """

    metric: str = ""
    whole: tuple[tuple[int, float], ...] = ()
    stopped: tuple[tuple[int, float], ...] = ()
    steps: tuple[tuple[int, float], ...] = ()
    failed: tuple[int, ...] = ()
    baseline: float | None = None
    limits: tuple[float, float] | None = None


def compute(snapshot: StudySnapshot) -> History:
    """The data of the plot."""
    if not snapshot.scored:
        return History(missing="No trial has a value yet.")
    shown = base.cloud(snapshot)
    early = {s.number for s in shown if s.stopped(snapshot.info)}
    pairs = [(s.number, s.value) for s in shown if s.value is not None]
    values = [s.value for s in snapshot.scored if s.value is not None]
    limits = base.clear_range(values, snapshot.info.metric.maximize)
    failed = [s.number for s in snapshot.failed]
    return History(
        note=base.sentences(base.of_all(len(shown), len(snapshot.scored)), base.beyond(values, limits)),
        metric=snapshot.info.metric.name,
        whole=tuple(p for p in pairs if p[0] not in early),
        stopped=tuple(p for p in pairs if p[0] in early),
        steps=steps(snapshot),
        failed=tuple(failed[i] for i in base.thinned(len(failed))),
        baseline=snapshot.baseline.value if snapshot.baseline else None,
        limits=limits,
    )


def steps(snapshot: StudySnapshot) -> tuple[tuple[int, float], ...]:
    """(number, value) wherever the best so far changed, in order of the numbers, and at the last trial."""
    found = list[tuple[int, float]]()
    for seen in snapshot.scored:
        if seen.value is not None and (not found or snapshot.better(seen.value, found[-1][1])):
            found.append((seen.number, seen.value))
    return (*found, (snapshot.seen[-1].number, found[-1][1])) if found else ()


def draw(data: History) -> list[object]:
    """The figure."""
    drawn = base.figure("trial", data.metric)
    drawn.update_yaxes(range=data.limits)
    hover = f"trial %{{x}}: {data.metric} %{{y}}<extra></extra>"
    kinds = (("trained to the end", data.whole, "circle"), ("stopped early", data.stopped, "circle-open"))
    for name, pairs, symbol in kinds:
        if pairs:
            x, y = zip(*pairs, strict=True)
            marker = {"symbol": symbol, "color": base.PLAIN if symbol == "circle" else base.STOPPED}
            drawn.add_scatter(
                x=x, y=base.rounds(y), mode="markers", name=name, marker=marker, hovertemplate=hover
            )
    x, y = zip(*data.steps, strict=True)
    line = {"color": base.BEST, "shape": "hv", "width": 2.5}
    drawn.add_scatter(x=x, y=base.rounds(y), mode="lines", name="best so far", line=line, hovertemplate=hover)
    if data.failed:
        base.add_failed(drawn, data.failed)
    if data.baseline is not None:
        base.add_baseline(drawn, data.baseline)
    return [drawn]


PLOT = base.Plot("history", "The best value over trials", compute, draw)
