"""Draws contours of the two hyperparameters that matter most."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from mlflow_hpo.report.hyperparameters import Column, columns
from mlflow_hpo.report.importance import Array, Table, encoded, forest, importance, table
from mlflow_hpo.report.plots import base
from mlflow_hpo.report.snapshot import StudySnapshot

STEPS = 16  # of a number's range
MOST_OPTIONS = 60  # of a choice
BACKGROUND = 40  # trials whose other hyperparameters are averaged over


@dataclass(frozen=True)
class Axis:
    """One of the two hyperparameters.

    Attributes:
        values: the values at which the forest was asked; the options of a choice.
    """

    title: str
    log: bool
    is_choice: bool
    values: tuple[float | int | str, ...]


@dataclass(frozen=True, kw_only=True)
class Contours(base.PlotData):
    """A forest's predictions over two hyperparameters.

    Attributes:
        better: the share of trials that are better than one there, rows by `y`, from 0 to 1.
        points: (trial, x, y) of the trials.
    """

    x: Axis | None = None
    y: Axis | None = None
    better: tuple[tuple[float, ...], ...] = ()
    points: tuple[tuple[int, float | int | str, float | int | str], ...] = ()


def compute(snapshot: StudySnapshot) -> Contours:
    """Returns the plot's data: the partial dependence (Friedman 2001) of a forest on all trials."""
    ranking = importance(snapshot)
    if ranking.missing:
        return Contours(missing="Which two matter most is not known: see above.")
    if len(ranking.labels) < 2:
        return Contours(missing="Only one hyperparameter was varied.")
    by_label = {column.label: column for column in columns(snapshot)}
    one, other = (by_label[label] for label in ranking.labels[:2])
    numbers = [view.number for view in base.cloud(snapshot)]
    return Contours(
        note=f"What a random forest on {ranking.trials} trials predicts, averaged over the other "
        "hyperparameters.",
        x=_axis(one),
        y=_axis(other),
        better=_predicted(table(snapshot), one, other),
        points=tuple(
            (n, one.place(n), other.place(n)) for n in numbers if n in one.parts and n in other.parts
        ),
    )


def _axis(column: Column) -> Axis:
    values = tuple(column.at(part) for part in _parts(column))
    return Axis(column.title, column.log, column.is_choice, values)


def _parts(column: Column) -> list[float]:
    """Returns places in the range: the middles of the options, or evenly from end to end."""
    if column.is_choice:
        places = column.option_parts
        return [places[i] for i in base.thinned(len(places), MOST_OPTIONS)]
    places = [i / (STEPS - 1) for i in range(STEPS)]
    return list({column.at(part): part for part in places}.values())  # a whole number may come twice


def _predicted(trials: Table, one: Column, other: Column) -> tuple[tuple[float, ...], ...]:
    model = forest(trials)
    rows = np.unique(np.linspace(0, len(trials.places) - 1, BACKGROUND).astype(int))
    xs, ys = _parts(one), _parts(other)
    grids = [_with(trials, trials.inputs[rows], ((one, x), (other, y))) for y in ys for x in xs]
    means = model.predict(np.concatenate(grids)).reshape(len(ys), len(xs), len(rows)).mean(axis=2)
    return tuple(tuple(float(v) for v in row) for row in means)


def _with(trials: Table, inputs: Array, places: Sequence[tuple[Column, float]]) -> Array:
    changed = inputs.copy()
    for column, part in places:
        changed[:, trials.groups[column.label]] = encoded(column, part)
    return changed


def draw(data: Contours) -> list[Any]:
    """Returns the figure: contours over two numbers, or cells if one is a choice."""
    assert data.x is not None
    assert data.y is not None
    drawn = base.figure(_title(data.x), _title(data.y), 440, data.x.log, data.y.log, legend=False)
    cells = data.x.is_choice or data.y.is_choice
    about = {
        "x": _places(data.x, cells), "y": _places(data.y, cells),
        "z": [base.rounds(row, 3) for row in data.better],
        "colorscale": base.COLORSCALE,
        "colorbar": {"title": {"text": "share of<br>trials that<br>are better"}, "thickness": 14},
        "hovertemplate": "%{x}, %{y}: %{z}<extra></extra>",
    }  # fmt: skip
    (drawn.add_heatmap if cells else drawn.add_contour)(**about)
    for axis, update in ((data.x, drawn.update_xaxes), (data.y, drawn.update_yaxes)):
        if axis.is_choice:
            update(type="category", categoryorder="array", categoryarray=_texts(axis.values))
        elif axis.log and float(axis.values[-1]) >= 100 * float(axis.values[0]):
            update(dtick=1)  # powers of ten alone: a narrow window has room for no more
    numbers, x, y = zip(*data.points, strict=True) if data.points else ((), (), ())
    drawn.add_scatter(
        x=_texts(x), y=_texts(y), customdata=numbers, mode="markers",
        marker={"color": base.PAPER, "size": 6, "line": {"color": base.RULE, "width": 1}},
        hovertemplate="trial %{customdata}: %{x}, %{y}<extra></extra>",
    )  # fmt: skip
    return [drawn]


def _places(axis: Axis, cells: bool) -> list[float | int | str | None]:
    """Returns the places of the values; of cells the edges, which plotly guesses wrongly on a log axis."""
    if axis.is_choice or not cells:
        return _texts(axis.values)
    values = [float(v) for v in axis.values]
    middles = [(a * b) ** 0.5 if axis.log else (a + b) / 2 for a, b in pairwise(values)]
    return _texts([values[0], *middles, values[-1]])


def _texts(values: Sequence[float | int | str]) -> list[float | int | str | None]:
    return [base.escaped(v) if isinstance(v, str) else base.rounded(v) for v in values]


def _title(axis: Axis) -> str:
    return axis.title + (" (log scale)" if axis.log else "")


PLOT = base.Plot("contours", "The two that matter most", compute, draw)
