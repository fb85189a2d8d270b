"""Metrics say their direction, and one function orders trials by them."""

from dataclasses import replace
from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Constraint, Metric, best, front, fronts, rank
from mlflow_hpo.trial import State, Trial

LOSS, MS = Metric("loss", maximize=False), Metric("inference_ms", maximize=False)


def trial(number: int, loss: float, ms: float | None = None, state: State = State.FINISHED) -> Trial:
    results = {"loss": {3: loss}} | ({} if ms is None else {"inference_ms": {3: ms}})
    return Trial(number, "", state, {}, results)


def numbers(trials: list[Trial]) -> list[int]:
    return [t.number for t in trials]


def test_a_value_comes_back_from_its_loss_and_less_loss_is_better() -> None:
    for metric in (LOSS, Metric("accuracy", maximize=True)):
        assert metric.value(metric.loss(0.25)) == 0.25
        assert (metric.loss(0.9) < metric.loss(0.1)) is metric.maximize


def test_a_name_that_does_not_tell_its_direction_is_refused_with_what_would() -> None:
    with pytest.raises(
        ConfigError, match=r"'lift' does not say its direction: give minimize or maximize .--direc"
    ):
        Metric.directed("lift", "auto")
    assert Metric.directed("train:auc", "auto") == Metric("auc", maximize=True)
    assert Metric.directed("lift", "maximize") == Metric("lift", maximize=True)


def test_the_best_comes_first_the_earlier_of_equals_and_no_failure() -> None:
    trials = [trial(0, 0.5), trial(1, 0.2), trial(2, 0.1, state=State.FAILED), trial(3, 0.2)]
    assert numbers(rank(trials)) == [1, 3, 0]
    assert best(trials) == trials[1]
    assert best([trials[2], Trial(4, "", State.RUNNING, {})]) is None


def test_at_a_rung_only_trials_that_have_a_loss_there_are_compared() -> None:
    short = Trial(0, "", State.PAUSED, {}, {"loss": {1: 0.0}})
    both = Trial(1, "", State.PAUSED, {}, {"loss": {1: 0.9, 3: 0.5}})
    assert numbers(rank([both, short], at=1)) == [0, 1]
    assert numbers(rank([both, short], at=3)) == [1]


def test_a_trial_within_all_bounds_is_better_than_any_beyond_one() -> None:
    trials = [trial(0, 0.1), trial(1, 0.5), trial(2, 0.4), trial(3, 0.6)]
    broken = [replace(t, violations={3: by}) for t, by in zip(trials, (0.8, 0.0, inf, 0.0), strict=True)]
    assert numbers(rank(broken)) == [1, 3, 0, 2], "then what breaks them least"
    assert front(broken) == [broken[1]]


@pytest.mark.parametrize(
    ("text", "value", "violation"),
    [
        ("inference_ms <= 5", 5.0, 0.0),
        ("inference_ms<=5", 7.5, 0.5),
        ("inference_ms < 5", 4.9, 0.0),
        ("val_accuracy >= 0.8", 0.9, 0.0),
        ("val_accuracy >= 0.8", 0.6, 0.25),
        ("val_loss >= 0", -2.0, 2.0),
        ("val_loss <= 1e-3", None, inf),
        ("val_loss <= 1e-3", nan, inf),
    ],
)
def test_a_constraint_says_by_how_much_of_its_bound_it_is_broken(
    text: str, value: float | None, violation: float
) -> None:
    assert Constraint.parse(text).violation(value) == pytest.approx(violation)


def test_the_bound_itself_is_beyond_a_strict_constraint() -> None:
    assert Constraint.parse("model_size_bytes < 1e6").violation(1e6) > 0
    assert Constraint.parse("gap > 0").violation(0.0) > 0


@pytest.mark.parametrize(
    "text", ["", "inference_ms", "<= 5", "a <= b", "a == 3", "a <= nan", "a <= 1 2", "a => 3"]
)
def test_what_is_no_constraint_is_refused_with_what_one_is(text: str) -> None:
    with pytest.raises(ConfigError, match="is none: give METRIC <= NUMBER"):
        Constraint.parse(text)


def test_of_several_metrics_the_front_decides_and_then_how_far_its_neighbours_are() -> None:
    trials = [trial(0, 0.5, 1.0), trial(1, 0.1, 9.0), trial(2, 0.6, 2.0), trial(3, 0.3, 3.0)]
    assert numbers(rank(trials)) == [1, 0, 3, 2], "0 dominates 2; the others lie on the front, 3 within it"
    assert numbers(front(trials)) == [1, 3, 0]


POINTS = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 3), max_size=12)


@given(POINTS)
def test_fronts_of_three_metrics_are_those_of_the_definition(
    points: list[tuple[float, float, float]],
) -> None:
    left, front, expected = set(range(len(points))), 1, dict[int, int]()
    while left:
        free = {
            i
            for i in left
            if not any(points[j] != points[i] and all(map(float.__le__, points[j], points[i])) for j in left)
        }
        expected |= dict.fromkeys(free, front)
        left, front = left - free, front + 1
    assert fronts(points) == [expected[i] for i in range(len(points))]
