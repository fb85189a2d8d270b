"""Choices between options, fixed values, and what they have in common with ranges."""

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.normal import Normal

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
    """Takes one of several options; the raw value is the option's index.

    Attributes:
        odds: how often each option is drawn, as parts of their sum; empty: all as often.
    """

    options: tuple[Option, ...]
    odds: tuple[float, ...] = ()

    def names(self) -> set[str]:
        """Returns every name below the options."""
        return {name for o in self.options if o.space for name in o.space.names()}

    def expression(self, label: str) -> Any:
        """Returns the Hyperopt node that draws the option's index and what depends on each option."""
        from hyperopt import hp

        if not self.leads_on and not self.odds:  # a switch over many options would cost at each draw
            return hp.randint(label, len(self.options))
        below = [o.space.expression(f"{label}|{i}|") if o.space else i for i, o in enumerate(self.options)]
        return (
            hp.pchoice(label, list(zip(self._parts, below, strict=True)))
            if self.odds
            else hp.choice(label, below)
        )

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
        options = tuple(Option(option.value) for option in self.options)
        return Choice(options, self.odds) if self.leads_on else self

    @cached_property
    def _parts(self) -> tuple[float, ...]:
        """The probability of each option."""
        odds = self.odds or (1.0,) * len(self.options)
        return tuple(part / sum(odds) for part in odds)

    @cached_property
    def _places(self) -> Mapping[Any, int]:
        return {identity(option.value): i for i, option in enumerate(self.options)}

    def unit(self, raw: float) -> float:
        """Returns an option's position from 0 to 1: the middle of its cell."""
        if not self.odds:
            return (raw + 0.5) / len(self.options)
        return sum(self._parts[: int(raw)]) + self._parts[int(raw)] / 2

    def from_unit(self, part: float) -> int:
        """Returns the index of the option at a position from 0 to 1."""
        if not self.odds:
            return min(int(part * len(self.options)), len(self.options) - 1)
        return min(bisect_right([*accumulate(self._parts)], part), len(self.options) - 1)

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


Searched = Float | Int | Normal | Choice
Parameter = Searched | Fixed


def usual(parameter: Parameter, name: str, defaults: Mapping[str, Any]) -> Value:
    """Returns the default if the parameter can take it, else the middle of the range or the first option."""
    if isinstance(parameter, Fixed):
        return parameter.value
    if name in defaults and (raw := parameter.encode(defaults[name])) is not None:
        value: Value = parameter.decode(raw) if isinstance(parameter, Choice) else defaults[name]
        return value
    return parameter.decode(0 if isinstance(parameter, Choice) else parameter.from_unit(0.5))


def identity(value: Any) -> Any:
    """Returns what two values share if, and only if, they are the `same`.

    Raises:
        TypeError: it is no value that an option may have.
    """
    kind = float if type(value) is int else type(value)
    identical = (kind, tuple(map(identity, value)) if isinstance(value, list) else value)
    hash(identical)
    return identical


def same(one: Any, other: Any) -> bool:
    """Returns whether values, or configs, are equal: 1 is 1.0, but not true."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
    return bool(identity(one) == identity(other))
