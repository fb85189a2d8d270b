"""The normal distribution, whose ends are open, and that of numbers whose logarithm is normal."""

import math
from statistics import NormalDist
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

WIDTH = 5.0  # standard deviations from the mean to either end: what lies beyond is never drawn


class Normal(BaseModel):
    """Draws floats around `mean`; with `log`, floats whose logarithm is around `mean`.

    It has the methods of `distributions.Float`; a raw value is the float itself. With a step a value is a
    multiple of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

    type: Literal["normal"] = "normal"
    mean: float
    std: float = Field(gt=0)
    log: bool = False
    step: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _check(self) -> Self:
        ends = self.mean - WIDTH * self.std, self.mean + WIDTH * self.std
        if max(map(abs, ends)) > (math.log(1e300) if self.log else 1e300):
            raise ValueError(f"mean {self.mean} with std {self.std} is wider than a float can say")
        return self

    @property
    def whole(self) -> None:
        """None: raw values are no whole numbers."""
        return

    @property
    def low(self) -> float:
        """The smallest value that is drawn."""
        return self._value(self.mean - WIDTH * self.std)

    @property
    def high(self) -> float:
        """The largest value that is drawn."""
        return self._value(self.mean + WIDTH * self.std)

    def expression(self, label: str) -> Any:
        """Returns the Hyperopt node that draws the raw value."""
        from hyperopt import hp

        return (hp.lognormal if self.log else hp.normal)(label, self.mean, self.std)

    def unit(self, raw: float) -> float:
        """Returns the part of the probability that lies below a raw value."""
        return self._normal.cdf(math.log(max(raw, self.low)) if self.log else raw)

    def from_unit(self, part: float) -> float:
        """Returns the raw value below which this part of the probability lies."""
        least = self._normal.cdf(self.mean - WIDTH * self.std)
        raw = self._value(self._normal.inv_cdf(min(max(part, least), 1 - least)))
        return min(max(raw, self.low), self.high)

    def grid_size(self, points: int) -> int:
        """Returns the size of a grid."""
        return points

    def on_grid(self, index: int, points: int) -> float:
        """Returns the raw value of a grid point: the middle of one of `points` parts of equal probability."""
        return float(f"{self.from_unit((index + 0.5) / points):.12g}")

    def decode(self, raw: float) -> float:
        """Returns the value for a raw value."""
        raw = min(max(float(raw), self.low), self.high)
        return raw if self.step is None else round(raw / self.step) * self.step

    def encode(self, value: Any) -> float | None:
        """Returns the raw value for a value; None if it would not be drawn."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return None
        raw = min(max(float(value), self.low), self.high)
        return raw if math.isclose(self.decode(raw), value, abs_tol=1e-9 * (self.step or 1)) else None

    @property
    def _normal(self) -> NormalDist:
        return NormalDist(self.mean, self.std)

    def _value(self, number: float) -> float:
        return math.exp(number) if self.log else number
