"""The contract of a data source, and the raw rows that it returns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from mlflow_hpo.data.base import AUTO, DataSpec
from mlflow_hpo.data.streams import RawStreams


@dataclass(frozen=True)
class RawRows:
    """Inputs and targets as a source has them, and what the rows' `Roles` say; not yet cleaned."""

    x: Any
    y: Any
    weights: Any = None
    group: Any = None
    time: Any = None
    part: Any = None


@dataclass(frozen=True)
class RawData:
    """Raw rows, in the parts that a source brings.

    Attributes:
        source: describes where they came from.
        task: classification or regression if the source knows it, else auto.
    """

    source: str
    train: RawRows
    validation: RawRows | None = None
    test: RawRows | None = None
    task: str = AUTO

    @property
    def parts(self) -> dict[str, RawRows]:
        """The parts that the source brings, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: rows for name, rows in parts.items() if rows is not None}


class Source(Protocol):
    """A kind of data, as a module implements it."""

    def check(self, spec: DataSpec) -> None:
        """Raises ConfigError if it is plain without loading that the data cannot be loaded.

        It imports neither a framework nor the user's code.
        """

    def load(self, spec: DataSpec) -> RawData | RawStreams:
        """Loads the rows, or finds the streams that they are read from.

        Raises:
            ConfigError: see `check`.
            DataError: they cannot be read; one line that names the data.
        """


def in_parts(parts: Sequence[RawRows], source: str) -> RawData:
    """Names the parts by their number: all rows; train and test; or train, validation and test."""
    train, *others = parts
    test = others.pop() if others else None
    return RawData(source, train, others[0] if others else None, test)
