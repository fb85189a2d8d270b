"""Draws how much each hyperparameter matters, with intervals."""

from dataclasses import dataclass
from typing import Any

from mlflow_hpo.report.importance import INTERVAL, SPLITS, importance
from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot

MOST_LETTERS = 22  # of a hyperparameter's name: the bars need room on a narrow screen


@dataclass(frozen=True, kw_only=True)
class Bars(base.PlotData):
    """The fall of R² for each hyperparameter, the most important first."""

    titles: tuple[str, ...] = ()
    means: tuple[float, ...] = ()
    lows: tuple[float, ...] = ()
    highs: tuple[float, ...] = ()


def compute(snapshot: StudySnapshot) -> Bars:
    """Returns the plot's data."""
    ranking = importance(snapshot)
    if ranking.missing:
        return Bars(missing=ranking.missing[0].upper() + ranking.missing[1:] + ".")
    low, high = INTERVAL
    note = (
        f"Permutation importance on random forests, which predict a trial's place in the ranking at epoch "
        f"{ranking.epochs} (those stopped before come after) from its hyperparameters: by how much R², "
        f"{ranking.fit:.2f} on trials they have not seen, falls when one is shuffled. "
        f"{ranking.trials} trials, {SPLITS} splits; the lines reach from the {low}th to the {high}th "
        "percentile of the splits. What reaches 0 may not matter."
    )
    return Bars(note=note, titles=ranking.titles, means=ranking.means, lows=ranking.lows, highs=ranking.highs)


def draw(data: Bars) -> list[Any]:
    """Returns the figure."""
    drawn = base.figure("fall of R² when shuffled", "", 110 + 34 * len(data.titles), legend=False)
    above = [high - mean for high, mean in zip(data.highs, data.means, strict=True)]
    below = [mean - low for low, mean in zip(data.lows, data.means, strict=True)]
    drawn.add_bar(
        x=base.rounds(data.means, 3),
        y=[base.escaped(t) for t in data.titles],
        orientation="h",
        marker={"color": base.PLAIN},
        error_x={
            "array": base.rounds(above, 3), "arrayminus": base.rounds(below, 3), "color": base.RULE,
            "thickness": 2,
        },
        hovertemplate="%{y}: %{x}<extra></extra>",
    )  # fmt: skip
    names = [base.short(t, MOST_LETTERS) for t in data.titles]
    drawn.update_yaxes(autorange="reversed", automargin=True, tickvals=[*range(len(names))], ticktext=names)
    return [drawn]


PLOT = base.Plot("importance", "Which hyperparameters matter", compute, draw)
