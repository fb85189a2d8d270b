"""Trials as rows of numbers from 0 to 1, many at a time: for models that look at thousands of candidates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Point, Raws
from mlflow_hpo.space import Choice, Searched, Space

Array = Any
ABSENT = 0.5  # the feature of an inactive hyperparameter
MOST_CELLS = 1000  # of whole numbers, that a candidate is rounded to one of


@dataclass(frozen=True)
class Column:
    """A hyperparameter that some trial had.

    Attributes:
        slots: of a choice, the place of each option that a trial took; all others share the last place.
        parent: the column of the choice that it depends on, None if it is always active.
        option: the place of the parent's option with which it is active.
    """

    label: str
    parameter: Searched
    slots: Mapping[int, int]
    parent: int | None
    option: int

    @property
    def is_choice(self) -> bool:
        """Tells whether it is a choice."""
        return isinstance(self.parameter, Choice)

    @cached_property
    def places(self) -> int:
        """How many places the options have."""
        assert isinstance(self.parameter, Choice)
        return len(self.slots) + (len(self.slots) < len(self.parameter.options))

    @cached_property
    def odds(self) -> Array:
        """The probability of each place."""
        assert isinstance(self.parameter, Choice)
        parts = np.zeros(self.places)
        odds = np.array(self.parameter.odds or np.ones(len(self.parameter.options)), float)
        for option, slot in self.slots.items():
            parts[slot] = odds[option]
        if self.places > len(self.slots):
            parts[-1] = odds.sum() - parts.sum()
        return parts / parts.sum()

    @cached_property
    def cells(self) -> tuple[Array, Array] | None:
        """The positions of whole numbers and those halfway between them, if they are few; else None."""
        whole = None if isinstance(self.parameter, Choice) else self.parameter.whole
        if whole is None or whole[1] - whole[0] >= MOST_CELLS:
            return None
        middles = np.array([self.parameter.unit(raw) for raw in range(whole[0], whole[1] + 1)])
        return middles, (middles[1:] + middles[:-1]) / 2

    def position(self, raw: Any) -> float:
        """Returns the position of a raw value: of an option, its place."""
        return (
            float(self.slots.get(int(raw), self.places - 1)) if self.is_choice else self.parameter.unit(raw)
        )

    def raw(self, position: float, rng: np.random.Generator) -> Any:
        """Returns the raw value at a position; of options that share a place, one at random."""
        if not isinstance(self.parameter, Choice):
            return self.parameter.from_unit(float(position))
        taken = {slot: option for option, slot in self.slots.items()}
        if int(position) in taken:
            return taken[int(position)]
        rest = [option for option in range(len(self.parameter.options)) if option not in self.slots]
        odds = np.array([self.parameter.odds[option] if self.parameter.odds else 1.0 for option in rest])
        return rest[int(rng.choice(len(rest), p=odds / odds.sum()))]


class Encoding:
    """The hyperparameters that trials had, each a column of positions.

    A hyperparameter that no trial had, and an option that none took, has no column or place of its own, so
    a choice between thousands costs what one between a few does.
    """

    def __init__(self, space: Space, points: Sequence[Point]) -> None:
        """Finds the columns."""
        self._space = space
        taken = dict[str, dict[int, None]]()
        for point in points:
            for label, raw in point.raws.items():
                taken.setdefault(label, {})[int(raw)] = None
        self.columns: list[Column] = []
        places: dict[str, int] = {}
        for label in sorted(taken, key=lambda label: (label.count("|"), label)):
            above, _, rest = label.rpartition("|")[0].rpartition("|")
            parent = places[above] if above else None
            option = self.columns[parent].slots[int(rest)] if parent is not None else 0
            slots = {raw: i for i, raw in enumerate(sorted(taken[label]))}
            parameter = space.leaves[label]
            places[label] = len(self.columns)
            slots = slots if isinstance(parameter, Choice) else {}
            self.columns.append(Column(label, parameter, slots, parent, option))
        self.choices = np.array([column.is_choice for column in self.columns], bool)

    @cached_property
    def groups(self) -> Array:
        """Which column each feature comes from."""
        widths = [column.places if column.is_choice else 1 for column in self.columns]
        return np.repeat(np.arange(len(widths)), widths)

    @cached_property
    def warped(self) -> Array:
        """The features that are numbers."""
        return np.flatnonzero(~self.choices[self.groups])

    def positions(self, points: Sequence[Point], rng: np.random.Generator) -> Array:
        """Returns a row for each trial; what is not active has a position at random."""
        rows = self.drawn(len(points), rng)
        for row, point in zip(rows, points, strict=True):
            for place, column in enumerate(self.columns):
                if column.label in point.raws:
                    row[place] = column.position(point.raws[column.label])
        return rows

    def drawn(self, count: int, rng: np.random.Generator) -> Array:
        """Returns rows drawn from the space."""
        rows = rng.random((count, len(self.columns)))
        for place, column in enumerate(self.columns):
            if column.is_choice:
                rows[:, place] = rng.choice(column.places, size=count, p=column.odds)
        return self._snapped(rows)

    def near(self, rows: Array, spread: float, rate: float, rng: np.random.Generator) -> Array:
        """Returns rows changed in some columns, in one at least.

        Args:
            spread: the standard deviation of a number's change, as a part of the range.
            rate: how likely each number is changed; an option half as likely.
        """
        count, width = rows.shape
        changes = rng.random(rows.shape) < np.where(self.choices, rate / 2, rate)
        changes[np.arange(count), rng.integers(width, size=count)] = True
        moved = np.abs(rows + spread * rng.normal(size=rows.shape)) % 2
        others = np.where(self.choices, self.drawn(count, rng), np.where(moved <= 1, moved, 2 - moved))
        return self._snapped(np.where(changes, others, rows))

    def _snapped(self, rows: Array) -> Array:
        """Moves whole numbers to the middle of their cell."""
        for place, column in enumerate(self.columns):
            if column.cells is not None:
                middles, edges = column.cells
                rows[:, place] = middles[np.searchsorted(edges, rows[:, place])]
        return rows

    def active(self, rows: Array) -> Array:
        """Tells of each position whether it is active with the options of its row."""
        active = np.ones(rows.shape, bool)
        for place, column in enumerate(self.columns):
            if column.parent is not None:
                active[:, place] = active[:, column.parent] & (rows[:, column.parent] == column.option)
        return active

    def features(self, rows: Array) -> Array:
        """Returns the features of rows: a choice has one for each place, at most one of them 1."""
        active = self.active(rows)
        parts = []
        for place, column in enumerate(self.columns):
            here = active[:, place]
            if column.is_choice:
                parts.append((rows[:, place, None] == np.arange(column.places)) & here[:, None])
            else:
                parts.append(np.where(here, rows[:, place], ABSENT)[:, None])
        return np.hstack(parts).astype(float)

    def raws(self, row: Array, rng: np.random.Generator) -> Raws:
        """Returns the raw values of a row; what has no column is drawn."""
        places = {column.label: (column, row[place]) for place, column in enumerate(self.columns)}

        def pick(label: str, parameter: Searched) -> Any:
            if label not in places:
                return parameter.from_unit(rng.random())
            column, position = places[label]
            return column.raw(position, rng)

        return self._space.walk(pick)
