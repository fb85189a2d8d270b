"""The stopping rules of trials that leave no checkpoint."""

from math import inf, nextafter

import pytest

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.schedulers import Budget, scheduler
from mlflow_hpo.trial import State, Trial, Unit

BUDGET = Budget(max_trials=6, max_epochs=9)  # rungs 1, 3, 9


def ended(number: int, **losses: float) -> Trial:
    """A trial with losses at rungs, as `at1=0.5`."""
    return Trial(number, "", State.FINISHED, {}, {"loss": {int(k[2:]): v for k, v in losses.items()}})


def thresholds(name: str, trials: list[Trial]) -> dict[int, float]:
    unit = scheduler(name, BUDGET, resting=False).next(trials)
    assert unit is not None
    assert (unit.trial, unit.start, unit.stop) == (None, 0, 9)
    return dict(unit.thresholds)


@pytest.mark.parametrize("name", ["asha", "median"])
def test_nobody_is_ended_while_few_are_known(name: str) -> None:
    assert thresholds(name, []) == {1: inf, 3: inf}
    assert thresholds(name, [ended(0, at1=1.0, at3=1.0, at9=1.0)]) == {1: inf, 3: inf}


def test_asha_asks_for_the_top_share_of_those_that_came_to_a_rung() -> None:
    trials = [ended(0, at1=0.5, at3=0.4, at9=0.3), ended(1, at1=0.7), ended(2, at1=0.2, at3=0.1, at9=0.1)]
    assert thresholds("asha", trials) == {1: 0.2, 3: 0.1}
    assert thresholds("asha", [*trials, ended(3, at1=0.9), ended(4, at1=0.8)]) == {1: 0.5, 3: 0.1}


def test_median_asks_for_no_worse_than_the_median_of_running_averages() -> None:
    trials = [ended(0, at1=0.5, at3=0.3), ended(1, at1=0.7, at3=0.5), ended(2, at1=0.2, at3=0.1)]
    assert thresholds("median", trials) == {1: nextafter(0.5, inf), 3: nextafter(0.4, inf)}
    assert Unit(0, 0, 9, thresholds=thresholds("median", trials)).goes_on(1, 0.5)
    assert not Unit(0, 0, 9, thresholds=thresholds("median", trials)).goes_on(1, 0.51)


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_stopped_trial_is_never_started_again_and_a_cut_one_afresh(name: str) -> None:
    rule = scheduler(name, Budget(max_trials=2, max_epochs=9), resting=False)
    stopped, best = ended(0, at1=0.5), ended(1, at1=0.1, at3=0.1, at9=0.1)
    assert rule.next([stopped, best]) is None
    unit = rule.next([stopped, Trial(1, "", State.KILLED, {})])
    assert unit is not None
    assert (unit.trial, unit.start, unit.stop, unit.source) == (1, 0, 9, None)


@pytest.mark.parametrize("name", ["halving", "hyperband", "pbt"])
def test_rules_that_let_trials_rest_are_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigError, match=f"scheduler: '{name}'.*take none, asha, median"):
        scheduler(name, BUDGET, resting=False)
