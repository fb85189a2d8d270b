"""Folds that Python gave: a splitter of scikit-learn's, or pairs of positions, made into positions once.

So every process has the same folds, whatever random state the splitter has, and a generator is used up once.
"""

import copy
import io
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Array, Part
from mlflow_hpo.data.rules import rows_text
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import ConfigError, DataError, one_line
from mlflow_hpo.user_code import read_content, save_content

EXPECTED = (
    "a whole number, a splitter such as GroupKFold(5), or pairs of positions to train and to validate on"
)


@dataclass(frozen=True, eq=False)
class Splits:
    """Folds as positions of rows.

    Attributes:
        rows: how many there are, without a test part that the data bring.
        cuts: for each fold the rows to train on, and those to validate on.
        stay: the rows that the folds are of.
        test: those of the test part, if folds say that too.
    """

    rows: int
    cuts: tuple[tuple[Array, Array], ...]
    stay: Array
    test: Array

    def check(self, rows: int) -> None:
        """Raises DataError if the folds were made for another number of rows."""
        if rows != self.rows:
            raise DataError(f"folds: they were made for {rows_text(self.rows)}, and the data have {rows}")

    def save(self, folder: Path) -> str:
        """Writes the folds into a folder of contents (see `user_code`); returns their digest."""
        arrays = {
            f"{what}_{n}": index
            for n, cut in enumerate(self.cuts)
            for what, index in zip("ab", cut, strict=True)
        }
        file = io.BytesIO()
        arrays |= {"rows": np.array([self.rows]), "stay": self.stay, "test": self.test}
        np.savez_compressed(file, allow_pickle=False, **arrays)
        return save_content(file.getvalue(), folder)


def read_splits(digest: str) -> Splits:
    """Reads what `Splits.save` wrote."""
    with np.load(io.BytesIO(read_content(digest, "folds")), allow_pickle=False) as file:
        count = (len(file) - 3) // 2
        cuts = tuple((file[f"a_{n}"], file[f"b_{n}"]) for n in range(count))
        return Splits(int(file["rows"][0]), cuts, file["stay"], file["test"])


def made(splitter: Any, rows: Part, brings_test: bool, seed: int) -> Splits:
    """Makes folds of rows.

    If the data bring no test part, the rows that the last split of a splitter holds out become one, and it
    splits the rest. Pairs, and a PredefinedSplit, name the rows themselves: nothing else is cut off.

    Args:
        splitter: has `split(x, y, groups)`, as scikit-learn's have; or pairs of positions.
        seed: of a splitter that draws at random and has no random state.

    Raises:
        ConfigError: it is no splitter.
        DataError: it fails, or its folds are no folds.
    """
    everything, none = np.arange(len(rows)), np.empty(0, np.int64)
    name = type(splitter).__name__
    if isinstance(splitter, type):
        raise ConfigError(f"folds: {splitter.__name__} is a class: give {splitter.__name__}(...)")
    is_pairs = not hasattr(splitter, "split")
    if is_pairs or name == "PredefinedSplit":
        pairs = splitter if is_pairs else splitter.split()
        splits = Splits(len(rows), _cuts(pairs, everything, "folds"), everything, none)
    else:
        splitter, stay, test = _seeded(splitter, seed), everything, none
        order = everything if rows.time is None else np.argsort(rows.time, kind="stable")
        cuts = _split(splitter, rows, order)
        if not brings_test:
            test = cuts[-1][1]
            stay = np.setdiff1d(np.concatenate([train for train, _ in cuts]), test)  # without a gap
            cuts = _split(splitter, rows, order[np.isin(order, stay)])
        splits = Splits(len(rows), cuts, stay, test)
    _check_rule(splits, rows, name)
    return splits


def _seeded(splitter: Any, seed: int) -> Any:
    """Returns a copy with a random state, so that a resume has the same folds."""
    if getattr(splitter, "random_state", 0) is not None:
        return splitter
    splitter = copy.copy(splitter)
    splitter.random_state = seed
    return splitter


def _split(splitter: Any, rows: Part, order: Array) -> tuple[tuple[Array, Array], ...]:
    """Splits the rows at these positions, in this order."""
    some, name = rows.rows(order), type(splitter).__name__
    x = np.empty(len(some)) if is_several(some.x) else some.x
    y = np.empty(len(some)) if is_several(some.y) else some.y
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            pairs = list(splitter.split(x, y, some.group))
    except Exception as error:  # whatever a splitter raises
        hint = "; give group_column" if rows.group is None and "group" in str(error) else ""
        raise DataError(
            f"folds: {name} cannot split {rows_text(len(some))}: {one_line(error)}{hint}"
        ) from None
    return _cuts(pairs, order, f"folds: {name}")


def _cuts(pairs: Any, order: Array, what: str) -> tuple[tuple[Array, Array], ...]:
    """Returns pairs of positions as positions among all rows."""
    try:
        cuts = tuple((_index(train, len(order)), _index(held_out, len(order))) for train, held_out in pairs)
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: {one_line(error)}: expected {EXPECTED}") from None
    if not cuts:
        raise DataError(f"{what}: there are no splits: expected {EXPECTED}")
    for number, (train, held_out) in enumerate(cuts, 1):
        if not len(train) or not len(held_out):
            raise DataError(
                f"{what}: split {number} has no rows to {'validate' if len(train) else 'train'} on"
            )
        if both := np.intersect1d(train, held_out).size:
            raise DataError(f"{what}: split {number} trains on {rows_text(both)} that it validates on")
    return tuple((order[train], order[held_out]) for train, held_out in cuts)


def _index(values: Any, rows: int) -> Array:
    index = np.asarray(values)
    if index.size and (index.ndim != 1 or index.dtype.kind not in "iu"):
        raise ValueError(f"{index.dtype} of shape {index.shape} are no positions of rows")
    if index.size and not (index.min() >= 0 and index.max() < rows):
        raise ValueError(
            f"position {index.max() if index.max() >= rows else index.min()} of {rows_text(rows)}"
        )
    return index.astype(np.int64)


def _check_rule(splits: Splits, rows: Part, name: str) -> None:
    """Raises DataError if a fold, or the test part, has on its other side what the rows' rule keeps apart."""
    tested = ((splits.stay, splits.test),) if len(splits.test) else ()
    for train, held_out in (*splits.cuts, *tested):
        if rows.group is not None and np.isin(rows.group[train], rows.group[held_out]).any():
            raise DataError(f"folds: {name} trains on a group that it holds out: take GroupKFold or its like")
        if rows.time is not None and rows.time[train].max() > rows.time[held_out].min():
            raise DataError(f"folds: {name} trains on later rows than it holds out: take TimeSeriesSplit")
