"""One hyperparameter's distribution, and how its values map to what Hyperopt draws.

`unit` and `from_unit` map a raw value to where it lies between 0 and 1 and back, evenly in probability,
for the algorithms that are not Hyperopt's.

Hyperopt calls what it draws a *raw* value here: a float for `Float`, the index of a grid point or of
an option for `Int` and `Choice`. `decode(raw)` gives the value that the objective receives and
`encode(value)` takes it back, so that a study read from the tracking store teaches the algorithm
exactly what it would have learnt in the first place. Hyperopt takes seconds to import and is imported only
to draw, so that bad settings are refused at once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlflow_hpo.space.distributions import Float, Int

if TYPE_CHECKING:
    from mlflow_hpo.space.space import Space

Scalar = bool | int | float | str | None
Value = Scalar | list[Scalar]


@dataclass(frozen=True)
class Option:
    """One option of a choice, with the hyperparameters that exist only where it is taken."""

    value: Value
    space: "Space | None" = None


@dataclass(frozen=True)
class Choice:
    """One of several options."""

    options: tuple[Option, ...]

    def names(self) -> set[str]:
        """Every name below its options."""
        return {name for o in self.options if o.space for name in o.space.names()}

    def expression(self, label: str) -> Any:
        """The Hyperopt node that draws the option's index, and what hangs below each option."""
        from hyperopt import hp

        below = [o.space.expression(f"{label}|{i}|") if o.space else i for i, o in enumerate(self.options)]
        return hp.choice(label, below)

    def decode(self, raw: float) -> Value:
        """The value of the option with this index; a list is a new one, which its user may change."""
        value = self.options[int(raw)].value
        return list(value) if isinstance(value, list) else value

    def encode(self, value: Any) -> int | None:
        """The option's index; None where there is no such option."""
        return next((i for i, o in enumerate(self.options) if same(o.value, value)), None)

    def unit(self, raw: float) -> float:
        """Where an option lies, from 0 to 1: the middle of its cell."""
        return (raw + 0.5) / len(self.options)

    def from_unit(self, part: float) -> int:
        """The option there."""
        return min(int(part * len(self.options)), len(self.options) - 1)

    def grid_size(self, points: int) -> int:
        """How many raw values a grid has: every option."""
        return len(self.options)

    def on_grid(self, index: int, points: int) -> int:
        """The raw value at this place of a grid."""
        return index


@dataclass(frozen=True)
class Fixed:
    """A value that is not searched."""

    value: Scalar


Searched = Float | Int | Choice
Parameter = Searched | Fixed


def usual(parameter: Parameter, name: str, defaults: Mapping[str, Any]) -> Value:
    """A value where none is given: the default if it is one here, else the middle, or the first option."""
    if isinstance(parameter, Fixed):
        return parameter.value
    if name in defaults and parameter.encode(defaults[name]) is not None:
        value: Value = defaults[name]
        return value
    return parameter.decode(0 if isinstance(parameter, Choice) else parameter.from_unit(0.5))


def same(one: Any, other: Any) -> bool:
    """Whether values, or configs, are equal and of one type throughout: 1 is neither 1.0 nor true."""
    if type(one) is not type(other) or one != other:
        return False
    if isinstance(one, dict):
        return all(same(value, other[name]) for name, value in one.items())
    return not isinstance(one, list) or all(map(same, one, other))
