"""Data sets: how one is named, its three parts, its digest."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
AUTO, CLASSIFICATION, REGRESSION = "auto", "classification", "regression"
TASKS = (AUTO, CLASSIFICATION, REGRESSION)


@dataclass(frozen=True)
class DataSpec:
    """All that a process needs to know to load a data set.

    Attributes:
        name: a built-in data set, a path, `module:function`, or "" for no data at all.
        seed: of the split.
        target: the column of a table to predict.
        task: `classification`, `regression`, or `auto` to infer it from the target.
        fraction: of the training and validation rows to keep, above 0 and up to 1. The test part stays whole.
        image_size: height and width in pixels, for a folder of images.
        content: the digest of data that were given from Python (`user_code.read_content`); else empty.
        positive: the class of two that is the positive one; None: the second in sorted order.
    """

    name: str
    seed: int = 0
    target: str | None = None
    task: str = AUTO
    fraction: float = 1.0
    image_size: int = 64
    content: str = ""
    positive: str | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set.

    Attributes:
        x: inputs: an array, float32, of shape (rows, ...), or a pandas DataFrame of raw values.
        y: targets: int64 classes from 0, or float32 values.
    """

    x: Any
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, index: Array | slice) -> "Part":
        """Returns the rows at these positions, in this order."""
        if is_table(self.x):
            return Part(self.x.iloc[index].reset_index(drop=True), self.y[index])
        return Part(self.x[index], self.y[index])

    def and_then(self, other: "Part") -> "Part":
        """Returns these rows, followed by those of the other part."""
        y = np.concatenate([self.y, other.y])
        if is_table(self.x):
            import pandas as pd

            return Part(pd.concat([self.x, other.x], ignore_index=True), y)
        return Part(np.concatenate([self.x, other.x]), y)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in its three parts.

    Attributes:
        source: describes where it came from.
        digest: first 12 hex digits of the SHA-256 of all rows, in their order.
        classes: number of classes; 0 for regression.
        labels: names of the classes, by number; () if they are numbers from 0.
        positive: of two classes the number of the one that precision, recall and their like are about.
    """

    name: str
    source: str
    digest: str
    classes: int
    labels: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    positive: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input; for a table, the number of columns."""
        return tuple(self.train.x.shape[1:])

    @property
    def task(self) -> str:
        """Either classification or regression."""
        return CLASSIFICATION if self.classes else REGRESSION

    @property
    def is_table(self) -> bool:
        """True if the inputs are a table's raw columns, not arrays."""
        return is_table(self.train.x)

    def mapped(self, change: Callable[[Part], Part]) -> Self:
        """Returns the data with each part changed by a function."""
        return replace(
            self, train=change(self.train), validation=change(self.validation), test=change(self.test)
        )

    def recut(self, train: Part, validation: Part) -> Self:
        """Returns the data with other training and validation rows; the test part stays."""
        changed = digest(train, validation, self.test)
        return replace(self, digest=changed, train=train, validation=validation)


def is_table(x: Any) -> bool:
    """Tells whether inputs are a pandas DataFrame, without importing pandas."""
    return hasattr(x, "iloc") and hasattr(x, "columns")


def digest(*parts: Part) -> str:
    """Computes `Data.digest`, which is the same on every machine."""
    sha = hashlib.sha256()
    for part in parts:
        for content in _contents(part.x):
            sha.update(content)
        sha.update(part.y.tobytes())
    return sha.hexdigest()[:12]


def _contents(x: Any) -> list[bytes]:
    if not is_table(x):
        return [x.tobytes()]
    from pandas.util import hash_pandas_object

    names = "\0".join(x.columns)
    return [names.encode(), hash_pandas_object(x, index=False).to_numpy().tobytes()]
