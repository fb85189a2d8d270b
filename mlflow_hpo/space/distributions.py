"""Distributions of numbers in a range.

A *raw* value is what Hyperopt draws. `decode(raw)` returns the value that the objective receives, and
`encode(value)` takes it back, so that a study read from the tracking store teaches an algorithm exactly what
it would have learnt in the first place. `unit` and `from_unit` map a raw value to its position from 0 to 1
and back, evenly in probability, for the algorithms that are not Hyperopt's.

The raw value of a `Float` is the float itself, of an `Int` on a log scale the whole number itself, and of all
that has steps the index of the grid point: a quantised uniform over the index keeps the order that
`hp.randint` would hide from TPE. Hyperopt takes seconds to import and is imported only to draw, so that bad
settings are refused at once.
"""

import math
import sys
from abc import abstractmethod
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

WIDEST = sys.float_info.max / 2  # of a bound: the width of the range must be a float
MOST_STEPS = 2**53  # a larger index is no exact float


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    low: float
    high: float
    log: bool = False

    @property
    @abstractmethod
    def whole(self) -> tuple[int, int] | None:
        """The first and last raw value if raw values are whole numbers, else None."""

    @property
    def _ends(self) -> tuple[float, float]:
        """The bounds between which raw values are drawn: a whole number is the middle of a cell."""
        return (self.whole[0] - 0.5, self.whole[1] + 0.5) if self.whole else (self.low, self.high)

    def expression(self, label: str) -> Any:
        """Returns the Hyperopt node that draws the raw value."""
        from hyperopt import hp

        low, high = map(math.log, self._ends) if self.log else self._ends
        if self.whole:
            return (hp.qloguniform if self.log else hp.quniform)(label, low, high, 1)
        return (hp.loguniform if self.log else hp.uniform)(label, low, high)

    def unit(self, raw: float) -> float:
        """Returns the position of a raw value from 0 to 1; of a whole number it is the middle of its cell."""
        low, high = self._ends
        if self.log:
            raw, low, high = math.log(raw), math.log(low), math.log(high)
        return min(max((raw - low) / (high - low), 0.0), 1.0)

    def from_unit(self, part: float) -> float:
        """Returns the raw value at a position from 0 to 1."""
        low, high = map(math.log, self._ends) if self.log else self._ends
        raw = low + part * (high - low)
        return self._nearest(math.exp(raw) if self.log else raw)

    def grid_size(self, points: int) -> int:
        """Returns the size of a grid: every whole number, or `points` of a continuous range."""
        return self.whole[1] - self.whole[0] + 1 if self.whole else points

    def on_grid(self, index: int, points: int) -> float:
        """Returns the raw value of a grid point: evenly spaced, both ends included, rounded to 12 digits."""
        if self.whole:
            return float(self.whole[0] + index)
        return self._nearest(float(f"{self.from_unit(index / max(points - 1, 1)):.12g}"))

    def _nearest(self, raw: float) -> float:
        if self.whole is None:
            return min(max(float(raw), self.low), self.high)
        return float(min(max(round(raw), self.whole[0]), self.whole[1]))

    def _check_range(self, step: float | None) -> None:
        if self.low >= self.high:
            raise ValueError(f"low must be below high, but {self.low} >= {self.high}")
        if abs(self.low) > WIDEST or abs(self.high) > WIDEST:
            raise ValueError(f"the range from {self.low} to {self.high} is wider than a float can say")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be above 0 on a log scale, not {self.low}")
        if step is None:
            return
        if self.log:
            raise ValueError("step and log cannot be combined")
        if (self.high - self.low) / step > MOST_STEPS:
            raise ValueError(f"step {step} is too small for the range from {self.low} to {self.high}")
        if self.whole and self.whole[1] < 1:
            raise ValueError(f"step {step} is larger than the range from {self.low} to {self.high}")


class Float(_Range):
    """Draws floats between `low` and `high` uniformly; with `log`, uniformly in the logarithm.

    With a step a value is `low`, `low + step`, ... up to `high`, computed in decimals as they are written.
    """

    type: Literal["float"] = "float"
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_range(self.step)
        return self

    @cached_property
    def whole(self) -> tuple[int, int] | None:
        """The first and last index if there is a step, else None."""
        if self.step is None:
            return None
        low, high, step = (Decimal(repr(x)) for x in (self.low, self.high, self.step))
        return (0, int((high - low) // step))

    def decode(self, raw: float) -> float:
        """Returns the value for a raw value."""
        raw = self._nearest(raw)
        if self.step is None:
            return raw
        return min(float(Decimal(repr(self.low)) + int(raw) * Decimal(repr(self.step))), self.high)

    def encode(self, value: Any) -> float | None:
        """Returns the raw value for a value; None if it is outside the range or not on the grid."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if self.step is None:
            return float(value) if self.low <= value <= self.high else None
        if not self.low - self.step < value < self.high + self.step:
            return None
        index = self._nearest((value - self.low) / self.step)
        # not exactly equal: a user may have written 0.1 + 0.2
        return index if math.isclose(value, self.decode(index), abs_tol=1e-9 * self.step) else None


class Int(_Range):
    """Draws whole numbers `low`, `low + step`, ... up to `high`; with `log`, uniformly in the logarithm."""

    type: Literal["int"] = "int"
    low: int
    high: int
    step: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_range(self.step if self.step != 1 else None)
        return self

    @cached_property
    def whole(self) -> tuple[int, int]:
        """The first and last raw value: the numbers themselves on a log scale, otherwise indices."""
        return (self.low, self.high) if self.log else (0, (self.high - self.low) // self.step)

    def decode(self, raw: float) -> int:
        """Returns the value for a raw value."""
        raw = int(self._nearest(raw))
        return raw if self.log else self.low + self.step * raw

    def encode(self, value: Any) -> float | None:
        """Returns the raw value for a value; None if it is not on the grid."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            return None
        if self.log:
            return float(value)
        index, rest = divmod(value - self.low, self.step)
        return None if rest else float(index)
