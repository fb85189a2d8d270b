"""Numbers in a range; parameters.py says what a *raw* value and a *unit* are.

A raw value is the float itself for a `Float`, the whole number itself for an `Int` on a log scale, and the
index of the grid point for everything that has steps: a quantised uniform over the index keeps the order
that `hp.randint` would hide from TPE.
"""

import math
import sys
from abc import abstractmethod
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

WIDEST = sys.float_info.max / 2  # an end further off: the range would be wider than a float
MOST_STEPS = 2**53  # beyond it an index is no exact float


class _Range(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    low: float
    high: float
    log: bool = False

    @property
    @abstractmethod
    def whole(self) -> tuple[int, int] | None:
        """The first and last raw value where raw values are whole numbers; None where they are not."""

    @property
    def _ends(self) -> tuple[float, float]:
        """Between which raw values are drawn: each whole number has a cell of its own."""
        return (self.whole[0] - 0.5, self.whole[1] + 0.5) if self.whole else (self.low, self.high)

    def expression(self, label: str) -> Any:
        """The Hyperopt node that draws the raw value."""
        from hyperopt import hp

        low, high = map(math.log, self._ends) if self.log else self._ends
        if self.whole:
            return (hp.qloguniform if self.log else hp.quniform)(label, low, high, 1)
        return (hp.loguniform if self.log else hp.uniform)(label, low, high)

    def unit(self, raw: float) -> float:
        """Where a raw value lies, from 0 to 1: of a whole number the middle of its cell."""
        low, high = self._ends
        if self.log:
            raw, low, high = math.log(raw), math.log(low), math.log(high)
        return min(max((raw - low) / (high - low), 0.0), 1.0)

    def from_unit(self, part: float) -> float:
        """The raw value there."""
        low, high = map(math.log, self._ends) if self.log else self._ends
        at = low + part * (high - low)
        return self._nearest(math.exp(at) if self.log else at)

    def grid_size(self, points: int) -> int:
        """How many raw values a grid has: all where they are whole numbers, else so many."""
        return self.whole[1] - self.whole[0] + 1 if self.whole else points

    def on_grid(self, index: int, points: int) -> float:
        """The raw value at this place of a grid, in order: evenly, with both ends, rounded to 12 digits."""
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
    """A float between `low` and `high`; uniform in its logarithm where `log`.

    With a step it is `low`, `low + step`, ... up to `high`, reckoned in decimals as they are written.
    """

    type: Literal["float"] = "float"
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        self._check_range(self.step)
        return self

    @cached_property
    def whole(self) -> tuple[int, int] | None:
        """The first and last index where there is a step."""
        if self.step is None:
            return None
        low, high, step = (Decimal(repr(x)) for x in (self.low, self.high, self.step))
        return (0, int((high - low) // step))

    def decode(self, raw: float) -> float:
        """The value for a raw draw."""
        raw = self._nearest(raw)
        if self.step is None:
            return raw
        return min(float(Decimal(repr(self.low)) + int(raw) * Decimal(repr(self.step))), self.high)

    def encode(self, value: Any) -> float | None:
        """The raw draw for a value; None where the value is not in the range, or not on the grid."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        if self.step is None:
            return float(value) if self.low <= value <= self.high else None
        if not self.low - self.step < value < self.high + self.step:
            return None
        index = self._nearest((value - self.low) / self.step)
        # as near as sums of floats come: a user may have written 0.1 + 0.2
        return index if math.isclose(value, self.decode(index), abs_tol=1e-9 * self.step) else None


class Int(_Range):
    """A whole number `low`, `low + step`, ... up to `high`; uniform in its logarithm where `log`."""

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
        """The value for a raw draw."""
        raw = int(self._nearest(raw))
        return raw if self.log else self.low + self.step * raw

    def encode(self, value: Any) -> float | None:
        """The raw draw for a value; None where the value is not on the grid."""
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            return None
        if self.log:
            return float(value)
        index, rest = divmod(value - self.low, self.step)
        return None if rest else float(index)
