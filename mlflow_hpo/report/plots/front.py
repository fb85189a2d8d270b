"""Two metrics at once: which trials no other one dominates. Only on a page that it was asked for."""

from dataclasses import dataclass, replace

from mlflow_hpo.report import pareto
from mlflow_hpo.report.plots import base


@dataclass(frozen=True, kw_only=True)
class Front(base.Shown):
    """The trials by both metrics."""

    picture: pareto.Picture


def compute(picture: pareto.Picture) -> Front:
    """The data of the plot: the whole front, and of what lies behind it as much as can be told apart."""
    if not picture.front:
        return Front(missing=f"No trial has both {picture.x} and {picture.y}.", picture=picture)
    behind = tuple(picture.behind[i] for i in base.thinned(len(picture.behind)))
    return Front(
        note=base.sentences(
            "No trial is better in one metric than one on the front, and no worse in the other.",
            base.of_all(len(behind) + len(picture.front), len(picture.behind) + len(picture.front)),
        ),
        picture=replace(picture, behind=behind),
    )


def draw(data: Front) -> list[object]:
    """The figure."""
    drawn = base.figure(data.picture.x, data.picture.y)
    pareto.draw(drawn, data.picture, base.BEST, base.PLAIN)
    return [drawn]


def plot(picture: pareto.Picture) -> base.Plot[Front]:
    """The plot of one picture."""
    title = f"{picture.x} against {picture.y}"
    return base.Plot("front", title, lambda snapshot: compute(picture), draw)
