"""Options that are Python objects: a word for each stands in the space, the objects are kept by content."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.metric import unboxed
from mlflow_hpo.space.choices import identity
from mlflow_hpo.space.plain import plain

LONGEST = 100  # letters of a word


@dataclass
class Options:
    """The objects behind the words of a space, by hyperparameter and word.

    Pickle it with cloudpickle: the objects may be of the user's own classes.
    """

    objects: dict[str, list[tuple[Any, Any]]] = field(default_factory=dict)
    dropped: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.objects or self.dropped)

    def word(self, name: str, value: Any) -> Any:
        """Returns what stands in the space for an option of a hyperparameter, and keeps the option.

        A scalar, or a list of scalars, stands for itself; a tuple of scalars as the list of them.
        """
        read = plain(value)
        if _is_scalar(read) or (isinstance(read, list) and all(map(_is_scalar, read))):
            if isinstance(value, tuple):
                self._keep(name, read, value)
            return read
        if isinstance(unboxed(value), complex):
            raise SpaceError(f"space: {name}: {value!r} is a complex number, which no hyperparameter can be")
        taken = [word for word, _ in self.objects.get(name, ())]
        words = (f"{_described(value)}{' again' * times}" for times in range(len(taken) + 1))
        word = next(word for word in words if word not in taken)
        self._keep(name, word, value)
        return word

    def _keep(self, name: str, word: Any, value: Any) -> None:
        self.objects.setdefault(name, []).append((word, value))

    def restored(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a config with the objects in the place of their words, each a copy of its own."""
        kept = {name: value for name, value in config.items() if name not in self.dropped}
        return {name: self._object(name, value) for name, value in kept.items()}

    def _object(self, name: str, value: Any) -> Any:
        for word, kept in self.objects.get(name, ()):
            if identity(word) == identity(value):
                return deepcopy(kept)
        return value


def _is_scalar(value: Any) -> bool:
    return value is None or type(value) in (bool, int, float, str)


def _described(value: Any) -> str:
    """Returns a word for an object: its name, how it is written, or what it is."""
    if name := getattr(value, "__name__", ""):
        return str(name)
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST and " at 0x" not in text else type(value).__name__
