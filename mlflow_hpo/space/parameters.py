"""One hyperparameter's distribution, and how its values map to what Hyperopt draws.

`unit` and `from_unit` map a raw value to where it lies between 0 and 1 and back, evenly in probability,
for the algorithms that are not Hyperopt's.

Hyperopt calls what it draws a *raw* value here: a float for `Float`, the index of a grid point or of
an option for `Int` and `Choice`. `decode(raw)` gives the value that the objective receives and
`encode(value)` takes it back, so that a study read from the tracking store teaches the algorithm
exactly what it would have learnt in the first place. Hyperopt takes seconds to import and is imported only
to draw, so that bad settings are refused at once.
"""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

if TYPE_CHECKING:
    from mlflow_hpo.space.space import Space

Scalar = bool | int | float | str | None


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Float(_Range):
    """A float between `low` and `high`; uniform in its logarithm where `log`."""

    type: Literal["float"] = "float"
    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self.low, self.high, self.log)
        return self

    def expression(self, label: str) -> Any:
        """The Hyperopt node that draws the raw value."""
        from hyperopt import hp

        if self.log:
            return hp.loguniform(label, math.log(self.low), math.log(self.high))
        return hp.uniform(label, self.low, self.high)

    def decode(self, raw: float) -> float:
        """The value for a raw draw."""
        return min(max(float(raw), self.low), self.high)

    def unit(self, raw: float) -> float:
        """Where a raw value lies, from 0 to 1."""
        return _part(raw, self.low, self.high, self.log)

    def from_unit(self, part: float) -> float:
        """The raw value there."""
        return self.decode(_at(part, self.low, self.high, self.log))

    def grid(self, points: int) -> list[float]:
        """Raw values for a grid: so many points, evenly spaced, both ends included."""
        return [self.from_unit(i / max(points - 1, 1)) for i in range(points)]

    def encode(self, value: Any) -> float | None:
        """The raw draw for a value; None where the value is not in the range."""
        return float(value) if _is_number(value) and self.low <= value <= self.high else None


class Int(_Range):
    """A whole number `low`, `low + step`, ... up to `high`; uniform in its logarithm where `log`."""

    type: Literal["int"] = "int"
    low: int
    high: int
    step: int = Field(1, ge=1)
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_bounds(self.low, self.high, self.log)
        if self.log and self.step != 1:
            raise ValueError("step and log cannot be combined")
        if self.step > self.high - self.low:
            raise ValueError(f"step {self.step} is larger than the range from {self.low} to {self.high}")
        return self

    @property
    def _last(self) -> int:
        return (self.high - self.low) // self.step

    def expression(self, label: str) -> Any:
        """The Hyperopt node: the value itself on a log scale, otherwise the index of the grid point.

        A quantised uniform keeps the order that `hp.randint` would hide from TPE.
        """
        from hyperopt import hp

        if self.log:
            return hp.qloguniform(label, math.log(self.low - 0.5), math.log(self.high + 0.5), 1)
        return hp.quniform(label, -0.5, self._last + 0.5, 1)

    def decode(self, raw: float) -> int:
        """The value for a raw draw."""
        if self.log:
            return min(max(round(raw), self.low), self.high)
        return self.low + self.step * min(max(round(raw), 0), self._last)

    def encode(self, value: Any) -> float | None:
        """The raw draw for a value; None where the value is not on the grid."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            return None
        if self.log:
            return float(value)
        index, rest = divmod(value - self.low, self.step)
        return None if rest else float(index)

    def unit(self, raw: float) -> float:
        """Where a raw value lies, from 0 to 1: the middle of its cell."""
        return _part(raw, *self._cells, self.log)

    def from_unit(self, part: float) -> float:
        """The raw value there."""
        raw = round(_at(part, *self._cells, self.log))
        low, high = (self.low, self.high) if self.log else (0, self._last)
        return float(min(max(raw, low), high))

    @property
    def _cells(self) -> tuple[float, float]:
        return (self.low - 0.5, self.high + 0.5) if self.log else (-0.5, self._last + 0.5)

    def grid(self, points: int) -> list[float]:
        """Raw values for a grid: all of them."""
        low, high = (self.low, self.high) if self.log else (0, self._last)
        return [float(raw) for raw in range(low, high + 1)]


@dataclass(frozen=True)
class Option:
    """One option of a choice, with the hyperparameters that exist only where it is taken."""

    value: Scalar
    space: "Space | None" = None


@dataclass(frozen=True)
class Choice:
    """One of several options."""

    options: tuple[Option, ...]

    def expression(self, label: str) -> Any:
        """The Hyperopt node that draws the option's index, and what hangs below each option."""
        from hyperopt import hp

        below = [o.space.expression(f"{label}|{i}|") if o.space else i for i, o in enumerate(self.options)]
        return hp.choice(label, below)

    def encode(self, value: Any) -> int | None:
        """The option's index; None where there is no such option."""
        same = (i for i, o in enumerate(self.options) if type(o.value) is type(value) and o.value == value)
        return next(same, None)

    def unit(self, raw: float) -> float:
        """Where an option lies, from 0 to 1: the middle of its cell."""
        return (raw + 0.5) / len(self.options)

    def from_unit(self, part: float) -> int:
        """The option there."""
        return min(int(part * len(self.options)), len(self.options) - 1)

    def grid(self, points: int) -> list[int]:
        """Raw values for a grid: every option."""
        return list(range(len(self.options)))


@dataclass(frozen=True)
class Fixed:
    """A value that is not searched."""

    value: Scalar


Searched = Float | Int | Choice
Parameter = Searched | Fixed


def _part(raw: float, low: float, high: float, log: bool) -> float:
    if log:
        raw, low, high = math.log(raw), math.log(low), math.log(high)
    return min(max((raw - low) / (high - low), 0.0), 1.0)


def _at(part: float, low: float, high: float, log: bool) -> float:
    if log:
        return math.exp(_at(part, math.log(low), math.log(high), False))
    return low + part * (high - low)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_bounds(low: float, high: float, log: bool) -> None:
    if low >= high:
        raise ValueError(f"low must be below high, but {low} >= {high}")
    if log and low <= 0:
        raise ValueError(f"low must be above 0 on a log scale, not {low}")
