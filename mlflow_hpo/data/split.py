"""Rows into parts: stratified by class, or plain for regression, always by a seed."""

from collections.abc import Sequence

import numpy as np

from mlflow_hpo.data.base import Array, Part
from mlflow_hpo.errors import DataError

VALIDATION = 0.2  # of what is there to train on
TEST = 0.2  # where the data set brings no test part of its own


class TooFewError(DataError):
    """A class has too few rows."""

    of_numbers = False  # whether the classes could be values just as well


def split(rows: Part, share: float, seed: int, labels: Sequence[str]) -> tuple[Part, Part]:
    """Cut off a share of the rows.

    Raises:
        DataError: a class has too few rows to be in both parts, or there are too few rows at all.
    """
    from sklearn.model_selection import train_test_split

    if len(rows) < 2:
        raise DataError(f"the data cannot be split: it has {_rows(len(rows))}")
    kinds = classes_of(rows.y)
    if kinds is not None:
        smallest_class(kinds, labels, 2, "the data cannot be split by class")
    try:
        index = train_test_split(np.arange(len(rows)), test_size=share, stratify=kinds, random_state=seed)
    except ValueError as error:  # a part smaller than there are classes
        few = f"{_rows(len(rows))} in {len(np.unique(rows.y))} classes; {error}"
        raise DataError(f"the data cannot be split by class: {few}") from None
    if kinds is not None:
        _in_each(kinds, index, labels)
    return rows.rows(index[0]), rows.rows(index[1])


def sample(rows: Part, fraction: float, seed: int, labels: Sequence[str]) -> Part:
    """That fraction of each class, or of all rows for regression, in the order they have.

    Raises:
        DataError: the fraction leaves no row, or none of a class.
    """
    if fraction >= 1:
        return rows
    kinds = classes_of(rows.y)
    kinds = np.zeros(len(rows), np.int64) if kinds is None else kinds
    random = np.random.default_rng(seed)
    chosen = []
    for kind, count in zip(*np.unique(kinds, return_counts=True), strict=True):
        taken = round(fraction * int(count))
        if not taken:
            of = f"class {_name(kind, labels)}" if classes_of(rows.y) is not None else "a part"
            raise DataError(
                f"fraction {fraction:g} is too small: {of} has {_rows(count)} of which none is left"
            )
        chosen.append(random.permutation(np.flatnonzero(kinds == kind))[:taken])
    return rows.rows(np.sort(np.concatenate(chosen)))


def classes_of(y: Array) -> Array | None:
    """What rows are stratified by; None for regression."""
    return y if y.dtype.kind == "i" else None


def smallest_class(y: Array, labels: Sequence[str], least: int, trouble: str) -> None:
    """Raise DataError where a class has fewer rows than this."""
    found, counts = np.unique(y, return_counts=True)
    if len(counts) and counts.min() < least:
        name, count = _name(found[counts.argmin()], labels), _rows(counts.min())
        raise _too_few(f"{trouble}: class {name} has {count}, at least {least} are needed", labels)


def _in_each(y: Array, parts: Sequence[Array], labels: Sequence[str]) -> None:
    for index in parts:
        for kind in np.setdiff1d(y, y[index])[:1]:
            count = _rows(int(np.sum(y == kind)))
            trouble = f"class {_name(kind, labels)} has {count}, too few to be in each part"
            raise _too_few(f"the data cannot be split by class: {trouble}", labels)


def _too_few(words: str, labels: Sequence[str]) -> TooFewError:
    error = TooFewError(words)
    error.of_numbers = all(label.lstrip("-").isdigit() for label in labels)
    return error


def _name(kind: int, labels: Sequence[str]) -> str:
    return repr(labels[kind]) if labels else str(kind)


def _rows(count: int) -> str:
    return f"{count} row" + ("" if count == 1 else "s")
