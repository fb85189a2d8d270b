"""What a data set is: how it is asked for, its three parts, its digest."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlflow_hpo.errors import DataError

Array = NDArray[Any]
AUTO, CLASSIFICATION, REGRESSION = "auto", "classification", "regression"
TASKS = (AUTO, CLASSIFICATION, REGRESSION)


@dataclass(frozen=True)
class DataSpec:
    """What a process needs to load the data.

    Attributes:
        name: a named set, a path, `module:function`, or "" for no data at all.
        seed: of the split.
        target: the column to predict, in a table.
        task: auto, classification or regression.
        fraction: of the rows of train and validation, from 0 to 1; the test part stays whole.
        image_size: height and width in pixels, for a folder of images.
        content: the digest of data that were given from Python (`user_code.read_content`); else empty.
    """

    name: str
    seed: int = 0
    target: str | None = None
    task: str = AUTO
    fraction: float = 1.0
    image_size: int = 64
    content: str = ""


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows.

    Attributes:
        x: inputs: an array, float32, of shape (rows, ...), or a pandas DataFrame with its raw values.
        y: what is to be predicted: int64 classes from 0, or float32 values.
    """

    x: Any
    y: Array

    def __len__(self) -> int:
        return len(self.y)

    def rows(self, index: Array | slice) -> "Part":
        """The rows at these positions, in this order."""
        if is_table(self.x):
            return Part(self.x.iloc[index].reset_index(drop=True), self.y[index])
        return Part(self.x[index], self.y[index])

    def and_then(self, other: "Part") -> "Part":
        """These rows, then the other part's."""
        y = np.concatenate([self.y, other.y])
        if is_table(self.x):
            import pandas as pd

            return Part(pd.concat([self.x, other.x], ignore_index=True), y)
        return Part(np.concatenate([self.x, other.x]), y)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in its three parts.

    Attributes:
        source: where it came from, in words.
        digest: the first 12 hex digits of the SHA-256 of all its arrays, in the order trained on.
        classes: how many; 0 for regression.
        labels: the names of the classes in the order of their numbers; () where they are just numbers.
    """

    name: str
    source: str
    digest: str
    classes: int
    labels: tuple[str, ...]
    train: Part
    validation: Part
    test: Part

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input; of a table, how many columns."""
        return tuple(self.train.x.shape[1:])

    def mapped(self, change: Callable[[Part], Part]) -> Self:
        """The same with its parts changed."""
        parts = (change(part) for part in (self.train, self.validation, self.test))
        train, validation, test = parts
        return replace(self, train=train, validation=validation, test=test)

    @property
    def task(self) -> str:
        """What is to be predicted: classification or regression."""
        return CLASSIFICATION if self.classes else REGRESSION

    @property
    def is_table(self) -> bool:
        """Whether the inputs are raw columns, not arrays."""
        return is_table(self.train.x)


@dataclass(frozen=True)
class Rows:
    """What a source yields: inputs and what is to be predicted, as they were found."""

    x: Any
    y: Any


@dataclass(frozen=True)
class Found:
    """What a source yields, in the parts that it brings.

    Attributes:
        source: where it came from, in words.
        task: what is to be predicted, where the source says so; else auto.
    """

    source: str
    train: Rows
    validation: Rows | None = None
    test: Rows | None = None
    task: str = AUTO

    @property
    def parts(self) -> dict[str, Rows]:
        """Those that are there, by name."""
        named = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in named.items() if rows is not None}


def in_parts(values: Sequence[Rows], source: str, task: str = AUTO) -> Found:
    """One to three: all rows; train and test; train, validation and test."""
    train, *others = values
    test = others.pop() if others else None
    return Found(source, train, others[0] if others else None, test, task)


def is_table(x: Any) -> bool:
    """Whether inputs are a pandas DataFrame; pandas is not imported to tell."""
    return hasattr(x, "iloc") and hasattr(x, "columns")


def digest(*parts: Part) -> str:
    """See `Data.digest`; the same on every machine."""
    found = hashlib.sha256()
    for part in parts:
        for content in _contents(part.x):
            found.update(content)
        found.update(part.y.tobytes())
    return found.hexdigest()[:12]


def _contents(x: Any) -> list[bytes]:
    if not is_table(x):
        return [x.tobytes()]
    from pandas.util import hash_pandas_object

    names = "\0".join(x.columns)
    return [names.encode(), hash_pandas_object(x, index=False).to_numpy().tobytes()]


def line(error: BaseException) -> str:
    """An error of another library in one line."""
    return " ".join(str(error).split())[:300] or type(error).__name__


def as_array(values: Any, part: str, what: str) -> Array:
    """Values as an array, one for each row; `what` they are is named in errors."""
    try:
        array = np.asarray(values)
    except Exception as error:  # whatever a framework's own arrays raise, as where they are on a GPU
        raise DataError(f"{part} part: {what} is no array: {line(error)}") from None
    if array.ndim == 0:
        raise DataError(f"{part} part: {what} is a {type(values).__name__}: expected a value for each row")
    return array
