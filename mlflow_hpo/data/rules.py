"""Says which rows may be apart when data are cut: by class, by group, or by time.

A rule holds for the test part, the validation part and folds alike.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from typing_extensions import override

from mlflow_hpo.data.base import Array, Part
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import DataError

Cut = tuple[Array, Array]  # positions of the rows that stay, and of those cut off


class TooFewError(DataError):
    """A class has too few rows."""

    of_numbers = False  # whether the classes are numbers, so that they may be meant as values


class Rule(Protocol):
    """How rows are cut."""

    def cut(self, share: float) -> Cut:
        """Cuts off a share of the rows, from 0 to 1.

        Raises:
            DataError: the rows cannot be cut by this rule.
        """

    def folds(self, count: int) -> Sequence[Cut]:
        """Cuts the rows into folds; in each, the rows to train on stay, and those to validate on are cut off.

        Raises:
            DataError: there are more folds than the rule allows.
        """


def rule_for(rows: Part, seed: int, labels: Sequence[str]) -> Rule:
    """Returns the rule of rows: by their times or groups if they have them, else by class.

    Args:
        labels: the names of the classes, see `Data`.
    """
    if rows.time is not None:
        return ByTime(rows.time)
    return (ByClass if rows.group is None else ByGroup)(rows, seed, labels)


@dataclass(frozen=True)
class ByClass(Rule):
    """Draws rows at random, so that each class has the same share of each part."""

    rows: Part
    seed: int
    labels: Sequence[str]

    @override
    def cut(self, share: float) -> Cut:
        from sklearn.model_selection import train_test_split

        count, classes = len(self.rows), classes_of(self.rows.y)
        if classes is not None:
            _check_smallest(classes, self.labels, 2, "the data cannot be split by class")
        try:
            stay, off = train_test_split(
                np.arange(count), test_size=share, stratify=classes, random_state=self.seed
            )
        except ValueError as error:  # a part smaller than there are classes
            few = f"{rows_text(count)} in {len(np.unique(self.rows.y))} classes; {error}"
            raise DataError(f"the data cannot be split by class: {few}") from None
        if classes is not None:
            _check_in_each(classes, (stay, off), self.labels)
        return stay, off

    @override
    def folds(self, count: int) -> Sequence[Cut]:
        from sklearn.model_selection import KFold, StratifiedKFold

        classes = classes_of(self.rows.y)
        if classes is not None:
            _check_smallest(classes, self.labels, count, f"{count} folds cannot be cut")
        cutter = (KFold if classes is None else StratifiedKFold)(count, shuffle=True, random_state=self.seed)
        return list(cutter.split(np.empty(len(self.rows)), classes))


@dataclass(frozen=True)
class ByGroup(Rule):
    """Draws whole groups at random, so that rows of one group are never apart; by class as well as can be."""

    rows: Part
    seed: int
    labels: Sequence[str]

    @override
    def cut(self, share: float) -> Cut:
        groups = self._groups
        if groups < 2:
            raise DataError(
                "group-column: all rows that are left to be split are of one group, "
                "and each part needs groups of its own"
            )
        cuts = self._cuts(min(round(1 / share), groups))
        classes = classes_of(self.rows.y)
        if classes is None:
            return cuts[0]
        for stay, off in cuts:
            if np.isin(classes, classes[stay]).all():
                return stay, off
        missing = _missing(classes, cuts[0][0], self.labels)
        raise DataError(f"group-column: class {missing} is in too few groups to be trained on and held out")

    @override
    def folds(self, count: int) -> Sequence[Cut]:
        if count > self._groups:
            raise DataError(f"folds: {count} folds need {count} groups, and there are {self._groups}")
        return self._cuts(count)

    @property
    def _groups(self) -> int:
        assert self.rows.group is not None
        return len(np.unique(self.rows.group))

    def _cuts(self, count: int) -> list[Cut]:
        from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

        x, classes, groups = np.empty(len(self.rows)), classes_of(self.rows.y), self.rows.group
        cuts: list[Cut] = []
        if classes is not None and np.bincount(classes).max() >= count:
            cutter = StratifiedGroupKFold(count, shuffle=True, random_state=self.seed)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a class with fewer rows than folds is as good as can be
                cuts = list(cutter.split(x, classes, groups))
        if not cuts or not all(len(off) for _, off in cuts):
            cuts = list(GroupKFold(count, shuffle=True, random_state=self.seed).split(x, groups=groups))
        return cuts


@dataclass(frozen=True)
class ByTime(Rule):
    """Cuts off the rows that come last; rows of the same time are never apart. Folds: expanding windows."""

    times: Any

    @override
    def cut(self, share: float) -> Cut:
        order, starts = self._order, self._starts
        if not len(starts):
            raise DataError("time-column: all rows that are left to be split have the same time")
        start = starts[np.abs(starts - len(order) * (1 - share)).argmin()]
        return order[:start], order[start:]

    @override
    def folds(self, count: int) -> Sequence[Cut]:
        order, starts = self._order, self._starts
        if count > len(starts):
            raise DataError(
                f"folds: {count} folds in the order of time need {count + 1} different times, "
                f"and there are {len(starts) + 1}"
            )
        size, chosen = len(order) // (count + 1), [-1]
        for left in range(count, 0, -1):
            nearest = int(np.abs(starts - (len(order) - left * size)).argmin())
            chosen.append(min(max(nearest, chosen[-1] + 1), len(starts) - left))
        cuts = [*starts[chosen[1:]], len(order)]
        return [(order[:a], order[a:b]) for a, b in pairwise(cuts)]

    @property
    def _order(self) -> Array:
        return np.argsort(self.times, kind="stable")

    @property
    def _starts(self) -> Array:
        """Where a time differs from the one before it, in the order of time."""
        starts: Array = np.flatnonzero(np.diff(self.times[self._order])) + 1
        return starts


def classes_of(y: Any) -> Array | None:
    """Returns the classes to stratify by; None for regression and several targets."""
    return y if not is_several(y) and y.dtype.kind == "i" and y.ndim == 1 else None


def check_trainable(y: Any, train: Array, labels: Sequence[str], what: str) -> None:
    """Raises DataError if the rows to train on are of one class only.

    Args:
        what: they are of, for the message.
    """
    classes = classes_of(y)
    if classes is not None and len(there := np.unique(classes[train])) == 1:
        raise DataError(f"{what} has only rows of class {class_name(there[0], labels)} to train on")


def class_name(number: int, labels: Sequence[str]) -> str:
    """Returns how a class is named in messages."""
    return repr(labels[number]) if labels else str(number)


def rows_text(count: int) -> str:
    """Returns a number of rows in words."""
    return f"{count} row" + ("" if count == 1 else "s")


def _missing(classes: Array, index: Array, labels: Sequence[str]) -> str:
    return class_name(int(np.setdiff1d(classes, classes[index])[0]), labels)


def _check_smallest(classes: Array, labels: Sequence[str], least: int, problem: str) -> None:
    numbers, counts = np.unique(classes, return_counts=True)
    if len(counts) and counts.min() < least:
        name, count = class_name(numbers[counts.argmin()], labels), rows_text(counts.min())
        raise _too_few(f"{problem}: class {name} has {count}, at least {least} are needed", labels)


def _check_in_each(classes: Array, parts: Sequence[Array], labels: Sequence[str]) -> None:
    for index in parts:
        for number in np.setdiff1d(classes, classes[index])[:1]:
            count = rows_text(int(np.sum(classes == number)))
            problem = f"class {class_name(number, labels)} has {count}, too few to be in each part"
            raise _too_few(f"the data cannot be split by class: {problem}", labels)


def _too_few(message: str, labels: Sequence[str]) -> TooFewError:
    error = TooFewError(message)
    error.of_numbers = all(label.lstrip("-").isdigit() for label in labels)
    return error
