"""Cuts rows into parts and folds, by the rule of the rows and a seed."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np

from mlflow_hpo.data.base import Array, Data, Part
from mlflow_hpo.data.rules import check_trainable, class_name, classes_of, rows_text, rule_for
from mlflow_hpo.data.streams import joined_streams
from mlflow_hpo.errors import ConfigError, DataError

VALIDATION = 0.2  # of the rows to train on
TEST = 0.2  # of all rows, if the data set brings no test part


def split(rows: Part, share: float, seed: int, labels: Sequence[str]) -> tuple[Part, Part]:
    """Cuts off a share of the rows, from 0 to 1.

    Returns:
        The rows that stay, and those cut off.

    Raises:
        DataError: the rows cannot be cut by their rule: a class has too few, for instance.
    """
    if len(rows) < 2:
        raise DataError(f"the data cannot be split: it has {rows_text(len(rows))}")
    stay, off = rule_for(rows, seed, labels).cut(share)
    check_trainable(rows.y, stay, labels, "the data cannot be split: the training part")
    return rows.rows(stay), rows.rows(off)


def sampled(rows: Part, fraction: float, seed: int, labels: Sequence[str]) -> Array | slice:
    """Returns the positions of a fraction of each class, or of all rows for regression, in their order.

    Raises:
        DataError: the fraction leaves no row, or none of a class.
    """
    if fraction >= 1 or not len(rows):
        return slice(None)
    classes = classes_of(rows.y)
    strata = np.zeros(len(rows), np.int64) if classes is None else classes
    random = np.random.default_rng(seed)
    chosen = []
    for stratum, count in zip(*np.unique(strata, return_counts=True), strict=True):
        kept = round(fraction * int(count))
        if not kept:
            name = "a part" if classes is None else f"class {class_name(stratum, labels)}"
            raise DataError(
                f"fraction {fraction:g} is too small: {name} has {rows_text(count)} of which none is left"
            )
        chosen.append(random.permutation(np.flatnonzero(strata == stratum))[:kept])
    return np.sort(np.concatenate(chosen))


@lru_cache(maxsize=1)
def folds(data: Data, k: int, seed: int) -> list[Data]:
    """Cuts training and validation rows into k folds, or as Python gave them; the last result is kept.

    Args:
        k: number of folds, at least 2.

    Returns:
        The data k times, each with another fold as its validation part and the same test part.

    Raises:
        DataError: there are more folds than rows, or than the rule of the rows allows.
    """
    if data.streams:
        raise ConfigError(f"folds: {k} folds cannot be cut of a stream, as {data.title} are: give arrays")
    rows = data.train.and_then(data.validation)
    if not 2 <= k <= len(rows):
        raise DataError(f"{k} folds of {len(rows)} rows: expected from 2 to as many as there are rows")
    cuts = data.cuts or rule_for(rows, seed, data.labels).folds(k)
    for number, (train, _) in enumerate(cuts, 1):
        check_trainable(rows.y, train, data.labels, f"folds: fold {number}")
    return [data.recut(rows.rows(train), rows.rows(validation)) for train, validation in cuts]


@lru_cache(maxsize=1)
def whole(data: Data) -> Data:
    """Puts the validation rows into the train part; the last result is kept."""
    if data.streams:
        streams, nothing = joined_streams(data), data.validation.rows(slice(0))
        return replace(data, streams=streams, validation=nothing)
    rows = data.train.and_then(data.validation)
    return data.recut(rows, rows.rows(slice(0)))
