"""Converts a list of grids, as scikit-learn's searches take them, to one space with a choice between them."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.convert.options import Options

GRID = "grid"  # the choice, where no hyperparameter tells the grids apart


def joined(grids: Sequence[Any], options: Options) -> dict[str, Any]:
    """Returns one space: a choice, whose options have the hyperparameters of each grid below them.

    The choice is the hyperparameter that has one value in each grid, unlike in the others, such as the
    estimator of a step. Where there is none, it is called `grid`, and the user's code does not see it.

    Raises:
        SpaceError: one of them is no dict.
    """
    if strange := [grid for grid in grids if not isinstance(grid, Mapping)]:
        raise SpaceError(f"space: {strange[0]!r:.100} in the list is no dict of hyperparameters")
    for name in grids[0]:
        values = [_single(grid.get(name)) for grid in grids]
        if all(value is not None for value in values):
            words = [options.word(name, value[0]) for value in values if value]
            if len(set(map(repr, words))) == len(words):
                below = [{k: v for k, v in grid.items() if k != name} for grid in grids]
                return {name: [{w: b} if b else w for w, b in zip(words, below, strict=True)]}
            options.objects.pop(name, None)
    options.dropped.add(GRID)
    return {GRID: [{str(number): dict(grid)} for number, grid in enumerate(grids, 1)]}


def _single(values: Any) -> list[Any] | None:
    """Returns the list of one value that a grid has for a name; None if it has none, or several."""
    one = isinstance(values, list | tuple) and len(values) == 1
    return list(values) if one else None
