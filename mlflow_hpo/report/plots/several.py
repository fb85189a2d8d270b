"""Draws what a study of several metrics came to: its front, and how that grew over the trials."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlflow_hpo.metric import fronts
from mlflow_hpo.report.plots import base, front
from mlflow_hpo.report.snapshot import StudySnapshot
from mlflow_hpo.report.winner import values_of

Losses = tuple[float, ...]


def plots_of(snapshot: StudySnapshot) -> list[base.Plot[Any]]:
    """Returns the plots of a study's front: none where it has one metric."""
    first, *others = snapshot.info.metrics
    if not others:
        return []
    rows = [(number, values) for number, values, _ in _able(snapshot)]
    places = fronts([losses for *_, losses in _able(snapshot)])
    plots: list[base.Plot[Any]] = []
    for other in others:
        points = [
            front.Point(f"trial {number}", values[other.name], values[first.name], place)
            for (number, values), place in zip(rows, places, strict=True)
        ]
        plot = front.plot(other.name, first.name, points)
        plots.append(replace(plot, name=f"front-of-{len(plots)}"))
    return [*plots, VOLUME]


def _able(snapshot: StudySnapshot) -> list[tuple[int, dict[str, float], Losses]]:
    """Returns number, values and losses of the trials that have all metrics and keep to the constraints."""
    metrics, able = snapshot.info.metrics, []
    for view in snapshot.scored:
        values = values_of(view.trial, metrics)
        if len(values) == len(metrics) and not view.trial.violation():
            able.append((view.number, values, tuple(m.loss(values[m.name]) for m in metrics)))
    return able


@dataclass(frozen=True, kw_only=True)
class Volume(base.PlotData):
    """The part of the space of metrics that trials dominate, after each trial, from 0 to 1."""

    numbers: tuple[int, ...] = ()
    parts: tuple[float, ...] = ()


def compute(snapshot: StudySnapshot) -> Volume:
    """Returns the hypervolume after each trial that added to it, metrics scaled to what trials reached."""
    able = _able(snapshot)
    if len(able) < 2:
        return Volume(missing="Fewer than two trials have all metrics.")
    rows = [losses for *_, losses in able]
    lows, highs = ([pick(column) for column in zip(*rows, strict=True)] for pick in (min, max))
    scaled = [
        tuple((v - low) / (high - low or 1.0) for v, low, high in zip(row, lows, highs, strict=True))
        for row in rows
    ]
    numbers, parts, best = list[int](), list[float](), list[Losses]()
    for (number, *_), row in zip(able, scaled, strict=True):
        if not any(all(a <= b for a, b in zip(other, row, strict=True)) for other in best):
            best = [*(o for o in best if any(a < b for a, b in zip(o, row, strict=True))), row]
            numbers.append(number)
            parts.append(hypervolume(best))
    return Volume(
        note="Of the box between the best and worst values of the metrics, the part that trials dominate.",
        numbers=(*numbers, snapshot.views[-1].number),
        parts=(*parts, parts[-1]),
    )


def hypervolume(points: Sequence[Losses]) -> float:
    """Returns the part of the unit cube that points dominate, whose losses are from 0 to 1.

    Slices along the last metric, from the best on (Knowles 2002, HSO).
    """
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return 1.0 - min(point[0] for point in points)
    volume, ordered = 0.0, sorted(points, key=lambda point: point[-1])
    for place, point in enumerate(ordered):
        end = ordered[place + 1][-1] if place + 1 < len(ordered) else 1.0
        if end > point[-1]:
            volume += (end - point[-1]) * hypervolume([other[:-1] for other in ordered[: place + 1]])
    return volume


def draw(data: Volume) -> list[Any]:
    """Returns the figure."""
    figure = base.figure("trial", "hypervolume", legend=False)
    figure.update_yaxes(range=[0, 1.02])
    line = {"color": base.BEST, "shape": "hv", "width": 2.5}
    figure.add_scatter(
        x=data.numbers,
        y=base.rounds(data.parts),
        mode="lines",
        line=line,
        hovertemplate="trial %{x}: %{y}<extra></extra>",
    )
    return [figure]


VOLUME = base.Plot("hypervolume", "Hypervolume over trials", compute, draw)
