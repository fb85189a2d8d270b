"""Cuts rows into parts and folds by a seed, stratified by class."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, Data, Part
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import DataError

VALIDATION = 0.2  # of the rows to train on
TEST = 0.2  # of all rows, if the data set brings no test part


class TooFewError(DataError):
    """A class has too few rows."""

    of_numbers = False  # whether the classes are numbers, so that they may be meant as values


def split(rows: Part, share: float, seed: int, labels: Sequence[str]) -> tuple[Part, Part]:
    """Cuts off a share of the rows, from 0 to 1.

    Returns:
        The rows that stay, and those cut off.

    Raises:
        DataError: a class has too few rows to be in both parts, or there are too few rows.
    """
    from sklearn.model_selection import train_test_split

    if len(rows) < 2:
        raise DataError(f"the data cannot be split: it has {_rows(len(rows))}")
    classes = _classes(rows.y)
    if classes is not None:
        _check_smallest(classes, labels, 2, "the data cannot be split by class")
    try:
        index = train_test_split(np.arange(len(rows)), test_size=share, stratify=classes, random_state=seed)
    except ValueError as error:  # a part smaller than there are classes
        few = f"{_rows(len(rows))} in {len(np.unique(rows.y))} classes; {error}"
        raise DataError(f"the data cannot be split by class: {few}") from None
    if classes is not None:
        _check_in_each(classes, index, labels)
    return rows.rows(index[0]), rows.rows(index[1])


def sample(rows: Part, fraction: float, seed: int, labels: Sequence[str]) -> Part:
    """Keeps a fraction of each class, or of all rows for regression, in their order.

    Raises:
        DataError: the fraction leaves no row, or none of a class.
    """
    if fraction >= 1:
        return rows
    classes = _classes(rows.y)
    strata = np.zeros(len(rows), np.int64) if classes is None else classes
    random = np.random.default_rng(seed)
    chosen = []
    for stratum, count in zip(*np.unique(strata, return_counts=True), strict=True):
        kept = round(fraction * int(count))
        if not kept:
            name = "a part" if classes is None else f"class {_name(stratum, labels)}"
            raise DataError(
                f"fraction {fraction:g} is too small: {name} has {_rows(count)} of which none is left"
            )
        chosen.append(random.permutation(np.flatnonzero(strata == stratum))[:kept])
    return rows.rows(np.sort(np.concatenate(chosen)))


@lru_cache(maxsize=1)
def folds(data: Data, k: int, seed: int) -> list[Data]:
    """Cuts training and validation rows into k folds; the last result is kept.

    Args:
        k: number of folds, at least 2.

    Returns:
        The data k times, each with another fold as its validation part and the same test part.

    Raises:
        DataError: there are more folds than rows, or than rows of a class.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    rows = data.train.and_then(data.validation)
    classes = _classes(rows.y)
    if not 2 <= k <= len(rows):
        raise DataError(f"{k} folds of {len(rows)} rows: expected from 2 to as many as there are rows")
    if classes is not None:
        _check_smallest(classes, data.labels, k, f"{k} folds cannot be cut")
    cutter = (KFold if classes is None else StratifiedKFold)(k, shuffle=True, random_state=seed)
    cuts = cutter.split(np.empty(len(rows)), classes)
    return [data.recut(rows.rows(train), rows.rows(validation)) for train, validation in cuts]


@lru_cache(maxsize=1)
def whole(data: Data) -> Data:
    """Puts the validation rows into the train part; the last result is kept."""
    rows = data.train.and_then(data.validation)
    return data.recut(rows, rows.rows(slice(0)))


def _classes(y: Any) -> Array | None:
    """Returns the classes to stratify by; None for regression and several targets."""
    return y if not is_several(y) and y.dtype.kind == "i" else None


def _check_smallest(classes: Array, labels: Sequence[str], least: int, problem: str) -> None:
    numbers, counts = np.unique(classes, return_counts=True)
    if len(counts) and counts.min() < least:
        name, count = _name(numbers[counts.argmin()], labels), _rows(counts.min())
        raise _too_few(f"{problem}: class {name} has {count}, at least {least} are needed", labels)


def _check_in_each(classes: Array, parts: Sequence[Array], labels: Sequence[str]) -> None:
    for index in parts:
        for number in np.setdiff1d(classes, classes[index])[:1]:
            count = _rows(int(np.sum(classes == number)))
            problem = f"class {_name(number, labels)} has {count}, too few to be in each part"
            raise _too_few(f"the data cannot be split by class: {problem}", labels)


def _too_few(message: str, labels: Sequence[str]) -> TooFewError:
    error = TooFewError(message)
    error.of_numbers = all(label.lstrip("-").isdigit() for label in labels)
    return error


def _name(number: int, labels: Sequence[str]) -> str:
    return repr(labels[number]) if labels else str(number)


def _rows(count: int) -> str:
    return f"{count} row" + ("" if count == 1 else "s")
