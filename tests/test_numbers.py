"""What is one number in any library is a number: as a metric, as what is returned, as an option."""

from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from mlflow_hpo.errors import SetupError, SpaceError
from mlflow_hpo.metric import number
from mlflow_hpo.objectives.progress import as_numbers
from mlflow_hpo.space import space_text


class Tensor:
    """As those of PyTorch and JAX."""

    def __init__(self, *values: float) -> None:
        self.values = values

    def __repr__(self) -> str:
        return f"Tensor{self.values}"

    def item(self) -> float:
        [value] = self.values
        return value

    def numpy(self) -> Any:
        raise TypeError("can't convert cuda:0 device type tensor to numpy")


NUMBERS = [
    *(3, 3.0, np.float32(3), np.int8(3), np.array(3), np.array([3.0]), tf.constant(3), tf.constant([3.0])),
    *(Tensor(3), pd.Series([3.0]), Decimal(3), Fraction(3)),
]
NONE = [
    *(np.complex128(3), 3j, np.array(3j), "3", b"3", np.array("3"), None, pd.NA, pd.NaT, np.array([3, 3])),
    *(Tensor(3, 3), tf.constant([3, 3]), {3}, [3], np.datetime64(3, "s"), np.timedelta64(3, "s"), np.float64),
]


@pytest.mark.parametrize("value", NUMBERS, ids=repr)
def test_a_number(value: Any) -> None:
    assert number(value) == 3
    assert type(number(value)) is float
    assert as_numbers({"loss": value}) == {"loss": 3}


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_no_number(value: Any) -> None:
    assert number(value) is None
    with pytest.raises(SetupError, match=rf"^metric 'loss' is .* of type {type(value).__name__}, no number$"):
        as_numbers({"loss": value})


def test_flags_and_numbers_beyond_floats() -> None:
    assert number(np.True_) is None is number(True)
    assert as_numbers({"loss": np.True_}) == {"loss": 1}
    assert number(-(10**400)) == -inf
    with pytest.raises(SetupError, match="takes a dict of metrics, not a float"):
        as_numbers(0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value",
    [np.array(3), tf.constant(3), Tensor(3), np.int64(3)],
    ids=repr,
)
def test_an_option_and_a_bound(value: Any) -> None:
    assert space_text({"x": [value, 4], "y": value}) == space_text({"x": [3, 4], "y": 3})
    assert space_text({"x": {"type": "int", "low": 1, "high": value}}) == "x: {type: int, low: 1, high: 3}\n"


@pytest.mark.parametrize(
    "value", [np.complex128(3), np.complex64(3), 3j, np.array(3j), tf.constant(3j)], ids=repr
)
def test_a_complex_number_is_no_option(value: Any) -> None:
    with pytest.raises(SpaceError, match=r"^space: x: .* is a complex number, which no hyper"):
        space_text({"x": [1, value]})


@pytest.mark.parametrize("value", NONE, ids=repr)
def test_what_is_no_number_is_no_bound(value: Any) -> None:
    with pytest.raises(SpaceError, match=r"^space: x\.?(low)?: "):
        space_text({"x": {"type": "float", "low": value, "high": 4}})


@pytest.mark.parametrize("value", [float("nan"), np.float32("inf"), Tensor(-inf)], ids=repr)
def test_what_is_not_finite_is_refused(value: Any) -> None:
    with pytest.raises(SpaceError, match=r"space: x\[1\]: -?(nan|inf) is not a finite number"):
        space_text({"x": [1, value]})
