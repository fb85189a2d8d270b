"""Metrics say their direction, and one function orders trials by them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Constraint, Metric, best, fronts, rank
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
    trials = [trial(0, 0.1, 9.0), trial(1, 0.5, 4.0), trial(2, 0.4), trial(3, 0.6, 5.0)]
    assert numbers(rank(trials[:2] + trials[3:], [Constraint(MS, 5.0)])) == [1, 3, 0]
    assert numbers(rank([trials[2], trials[1]], [Constraint(MS, 5.0)])) == [1, 2], "unknown is not within"
    least = Constraint(Metric("accuracy", maximize=True), 0.9)
    assert least.admits(-0.95)
    assert not least.admits(-0.85)


def test_of_several_metrics_the_front_decides_and_then_the_first() -> None:
    trials = [trial(0, 0.5, 1.0), trial(1, 0.1, 9.0), trial(2, 0.6, 2.0), trial(3, 0.3, 3.0)]
    assert numbers(rank(trials)) == [1, 3, 0, 2], "0 dominates 2; the others lie on the front"


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
