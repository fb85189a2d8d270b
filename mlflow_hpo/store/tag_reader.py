"""Reads what the tags of a run hold; a damaged one is named with its run."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from mlflow_hpo.errors import LONGEST, DamagedError, worded

SHOWN = 60  # characters of a damaged tag
Read = Callable[[str], Any]


class TagReader:
    """Reads the tags of one run.

    Attributes:
        faults: a clause for each tag that was read and is damaged.
    """

    def __init__(self, run_id: str, tags: Mapping[str, str]) -> None:
        self._run_id, self._tags = run_id, tags
        self.faults: list[str] = []

    def read(self, key: str, read: Read, default: str | None = None) -> Any:
        """Returns what a tag holds; None, and notes a fault, if it is damaged.

        Args:
            read: makes that of its text.
            default: the text of a missing tag; None: it must be there.
        """
        text = self._tags.get(key, default)
        if text is None:
            self.faults.append(f"tag {key} is missing")
            return None
        try:
            return read(text)
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            shown = text[:SHOWN] + ("..." if len(text) > SHOWN else "")
            self.faults.append(f"tag {key} is damaged: {shown!r}: {words_of(error)}")
            return None

    @property
    def lines(self) -> list[str]:
        """The faults in a line, if there are any."""
        return [f"run {self._run_id}: {'; '.join(self.faults)}"] if self.faults else []

    def read_one(self, key: str, read: Read, default: str | None = None) -> Any:
        """Returns what a tag holds.

        Raises:
            DamagedError: it is damaged.
        """
        value = self.read(key, read, default)
        self.check()
        return value

    def check(self) -> None:
        """Raises DamagedError if one of the tags that were read is damaged."""
        for line in self.lines:
            raise DamagedError(line)


def json_of(kind: Any) -> Read:
    """Returns what reads JSON of a type."""
    adapter = TypeAdapter(kind)
    return lambda text: adapter.validate_python(json.loads(text))


def count(text: str) -> int:
    """Reads a number that is not negative."""
    if (number := int(text)) < 0:
        raise ValueError("it is negative")
    return number


def words_of(error: Exception) -> str:
    """Returns in one line what is wrong with a value."""
    if not isinstance(error, ValidationError):
        return worded(error)[:LONGEST]
    faults = error.errors(include_url=False, include_input=False)
    return "; ".join(": ".join((*map(str, fault["loc"]), fault["msg"])) for fault in faults[:3])
