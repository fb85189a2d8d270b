"""Says which rows train, which validate and which test."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, DataSpec, Part
from mlflow_hpo.data.roles import as_parts
from mlflow_hpo.data.split import TEST, VALIDATION, sampled, split
from mlflow_hpo.data.splits import Splits, read_splits
from mlflow_hpo.errors import DataError

Cuts = tuple[tuple[Array, Array], ...]


def in_parts(
    spec: DataSpec, parts: Mapping[str, Part], words: Any, labels: Sequence[str]
) -> tuple[tuple[Part, Part, Part], Cuts]:
    """Returns the training, validation and test part, and `Data.cuts`.

    If the source brings no test part, a fifth of the rows becomes one; if it brings no validation part, a
    fifth of the rest. Where a column or folds from Python say what a row is for, nothing else is cut off.

    Args:
        parts: those that the source brings, by name.
        words: the column that says which part each row is in; or None.

    Raises:
        DataError: the rows cannot be cut.
    """
    parts = parts if words is None else by_column(parts, words)
    cuts: Cuts = ()
    if spec.splits:
        parts, cuts = _by_splits(parts, read_splits(spec.splits))
    train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
    if test is None:
        train, test = split(train, TEST, spec.seed, labels)
    if validation is None:
        train, validation = split(train, VALIDATION, spec.seed, labels)
    kept = [sampled(part, spec.fraction, spec.seed, labels) for part in (train, validation)]
    train, validation = train.rows(kept[0]), validation.rows(kept[1])
    return (train, validation, test), _renumbered(cuts, kept[0])


def by_column(parts: Mapping[str, Part], words: Any) -> dict[str, Part]:
    """Returns the parts as a column says, which has a word for each row; one without rows is empty."""
    names, rows = as_parts(words), parts["train"]
    if len(names) != len(rows):
        raise DataError(f"part-column: it has {len(names)} rows, and x has {len(rows)}")
    return {name: rows.rows(np.flatnonzero(names == name)) for name in ("train", "validation", "test")}


def _by_splits(parts: Mapping[str, Part], splits: Splits) -> tuple[dict[str, Part], Cuts]:
    """Returns parts and cuts as folds from Python say; of one fold alone, the parts say it all."""
    rows = to_fold(parts)
    splits.check(len(rows))
    test = parts.get("test", rows.rows(splits.test))
    if len(splits.cuts) == 1:
        train, validation = (rows.rows(index) for index in splits.cuts[0])
        return {"train": train, "validation": validation, "test": test}, ()
    cuts = _renumbered(splits.cuts, splits.stay)
    return {"train": rows.rows(splits.stay), "validation": rows.rows(slice(0)), "test": test}, cuts


def to_fold(parts: Mapping[str, Part]) -> Part:
    """Returns the rows that folds from Python count: all but those of a test part that the source brings."""
    train, validation = parts["train"], parts.get("validation")
    return train if validation is None else train.and_then(validation)


def _renumbered(cuts: Cuts, kept: Array | slice) -> Cuts:
    """Returns the cuts of the rows that are kept, by their positions among these."""
    if isinstance(kept, slice):
        return cuts
    renumbered = []
    for cut in cuts:
        inside = [index[np.isin(index, kept)] for index in cut]
        if not all(map(len, inside)):
            raise DataError("fraction: it leaves a fold without rows: give a larger one")
        renumbered.append((np.searchsorted(kept, inside[0]), np.searchsorted(kept, inside[1])))
    return tuple(renumbered)
