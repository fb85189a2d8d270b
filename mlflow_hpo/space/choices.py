"""Choices between options, fixed values, and what they have in common with ranges."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlflow_hpo.space.distributions import Float, Int

if TYPE_CHECKING:
    from mlflow_hpo.space.space import Space

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]


@dataclass(frozen=True)
class Option:
    """Holds one option of a choice, and the hyperparameters that are active only with it."""

    value: Value
    space: "Space | None" = None


@dataclass(frozen=True)
class Choice:
    """Takes one of several options; the raw value is the option's index."""

    options: tuple[Option, ...]

    def names(self) -> set[str]:
        """Returns every name below the options."""
        return {name for o in self.options if o.space for name in o.space.names()}

    def expression(self, label: str) -> Any:
        """Returns the Hyperopt node that draws the option's index and what depends on each option."""
        from hyperopt import hp

        if not self.leads_on:  # a switch over many options would cost at each draw
            return hp.randint(label, len(self.options))
        below = [o.space.expression(f"{label}|{i}|") if o.space else i for i, o in enumerate(self.options)]
        return hp.choice(label, below)

    def decode(self, raw: float) -> Value:
        """Returns the value of the option with this index; a list is copied, so that it may be changed."""
        value = self.options[int(raw)].value
        return list(value) if isinstance(value, list) else value

    def encode(self, value: Any) -> int | None:
        """Returns the option's index; None if there is no such option."""
        try:
            return self._places.get(identity(value))
        except TypeError:  # no value of an option
            return None

    @cached_property
    def leads_on(self) -> bool:
        """Tells whether any option has hyperparameters below it."""
        return any(option.space for option in self.options)

    @property
    def alone(self) -> "Choice":
        """The choice without what lies below its options."""
        return Choice(tuple(Option(option.value) for option in self.options)) if self.leads_on else self

    @cached_property
    def _places(self) -> Mapping[Any, int]:
        return {identity(option.value): i for i, option in enumerate(self.options)}

    def unit(self, raw: float) -> float:
        """Returns an option's position from 0 to 1: the middle of its cell."""
        return (raw + 0.5) / len(self.options)

    def from_unit(self, part: float) -> int:
        """Returns the index of the option at a position from 0 to 1."""
        return min(int(part * len(self.options)), len(self.options) - 1)

    def grid_size(self, points: int) -> int:
        """Returns the number of options: a grid tries all."""
        return len(self.options)

    def on_grid(self, index: int, points: int) -> int:
        """Returns the raw value of a grid point."""
        return index


@dataclass(frozen=True)
class Fixed:
    """Holds a value that is not searched."""

    value: Scalar


Searched = Float | Int | Choice
Parameter = Searched | Fixed


def usual(parameter: Parameter, name: str, defaults: Mapping[str, Any]) -> Value:
    """Returns the default if the parameter can take it, else the middle of the range or the first option."""
    if isinstance(parameter, Fixed):
        return parameter.value
    if name in defaults and parameter.encode(defaults[name]) is not None:
        value: Value = defaults[name]
        return value
    return parameter.decode(0 if isinstance(parameter, Choice) else parameter.from_unit(0.5))


def identity(value: Any) -> Any:
    """Returns what two values share if, and only if, they are the `same`.

    Raises:
        TypeError: it is no value that an option may have.
    """
    identical = (type(value), tuple(map(identity, value)) if isinstance(value, list) else value)
    hash(identical)
    return identical


def same(one: Any, other: Any) -> bool:
    """Returns whether values, or configs, are equal and of equal types: 1 is neither 1.0 nor true."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same(value, other[name]) for name, value in one.items())
    return not isinstance(one, list) or all(map(same, one, other))
