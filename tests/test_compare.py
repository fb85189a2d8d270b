"""Two models on the same rows: the paired bootstrap."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.registry.compare import MEASURES, Rows, compare, measure_for

ACCURACY = MEASURES["accuracy"]


def right(*values: int) -> Rows:
    return {"accuracy": np.array(values, float)}


def shares(rows: int, both: float, new_only: float, old_only: float) -> tuple[Rows, Rows]:
    """Two models that are right on these shares of the rows."""
    at = np.arange(rows) / rows
    new = at < both + new_only
    old = (at < both) | ((at >= both + new_only) & (at < both + new_only + old_only))
    return {"accuracy": new.astype(float)}, {"accuracy": old.astype(float)}


def test_a_model_is_not_better_than_itself() -> None:
    found = compare(right(1, 0, 1, 1), right(1, 0, 1, 1), ACCURACY, 0.95)
    assert (found.gain, found.low, found.high) == (0, 0, 0)


def test_the_interval_is_that_of_the_textbook() -> None:
    """Of a mean of paired differences, with many rows: mean -+ 1.645 standard errors at 0.95."""
    new, old = shares(2000, both=0.85, new_only=0.06, old_only=0.03)
    found = compare(new, old, ACCURACY, 0.95)
    differences = new["accuracy"] - old["accuracy"]
    error = differences.std() / len(differences) ** 0.5
    assert found.gain == pytest.approx(0.03)
    assert found.low == pytest.approx(0.03 - 1.645 * error, abs=0.001)
    assert found.high == pytest.approx(0.03 + 1.645 * error, abs=0.001)


def test_pairing_tells_what_two_separate_intervals_could_not() -> None:
    new, old = shares(400, both=0.80, new_only=0.03, old_only=0.0)
    assert compare(new, old, ACCURACY, 0.95).low > 0
    spread = (0.83 * 0.17 / 400 + 0.80 * 0.20 / 400) ** 0.5
    assert 0.03 - 1.645 * spread < 0


def test_it_is_the_same_each_time() -> None:
    new, old = shares(100, 0.7, 0.2, 0.1)
    assert compare(new, old, ACCURACY, 0.9) == compare(new, old, ACCURACY, 0.9)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40))
def test_exchanging_the_models_turns_the_interval_round(pairs: list[tuple[bool, bool]]) -> None:
    new, old = (right(*map(int, column)) for column in zip(*pairs, strict=True))
    one, other = compare(new, old, ACCURACY, 0.9), compare(old, new, ACCURACY, 0.9)
    assert one.gain == -other.gain
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=1e-9)
    assert one.low <= one.high


def test_where_less_is_better_a_gain_is_still_positive() -> None:
    found = compare({"loss": np.full(5, 0.2)}, {"loss": np.full(5, 0.5)}, MEASURES["loss"], 0.95)
    assert found.gain == found.low == pytest.approx(0.3)


def test_values_are_compared_by_what_the_metric_says() -> None:
    y = np.array([1.0, 2.0, 3.0, 4.0])
    new = {"squared": np.full(4, 0.25), "absolute": np.full(4, 0.5), "target": y}
    old = {"squared": np.full(4, 1.0), "absolute": np.full(4, 1.0), "target": y}
    gains = {
        metric: compare(new, old, measure_for(metric, new, old), 0.95).gain
        for metric in ("val_rmse", "val_mae", "val_r2", "val_loss")
    }
    assert gains == pytest.approx({"val_rmse": 0.5, "val_mae": 0.5, "val_r2": 0.6, "val_loss": 0.75})


def test_a_loss_is_compared_by_accuracy_where_one_model_gives_no_probabilities() -> None:
    both = {"accuracy": np.ones(2), "loss": np.ones(2)}
    assert measure_for("val_loss", both, both).name == "loss"
    assert measure_for("val_loss", both, right(1, 1)).name == "accuracy"
    assert measure_for("val_accuracy", both, both).name == "accuracy"
