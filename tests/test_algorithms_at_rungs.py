from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from contracts import space

from mlflow_hpo.algorithms import algorithm, observed_at, propose
from mlflow_hpo.algorithms.counts import standing
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial


def trial(number: int, **losses: float) -> Trial:
    return Trial(number, "", State.PAUSED, {}, {"loss": {int(k[1:]): v for k, v in losses.items()}})


def test_a_model_is_fitted_on_the_highest_rung_with_enough_trials() -> None:
    low = [trial(i, e1=1.0) for i in range(20)]
    middle = [trial(i, e1=1.0, e3=1.0) for i in range(20, 30)]
    high = [trial(i, e1=1.0, e3=1.0, e9=1.0) for i in range(30, 34)]
    assert observed_at([]) is None
    assert observed_at(low[:3]) == 1
    assert observed_at(low) == 1
    assert observed_at([*low, *middle]) == 3
    assert observed_at([*low, *middle, *high]) == 3


def at_random(count: int, first: int, losses: Callable[[dict[str, Any]], dict[int, float]]) -> list[Trial]:
    drawn = [propose(algorithm("random"), space(), [], first + i, 3) or {} for i in range(count)]
    return [Trial(first + i, "", State.PAUSED, c, {"loss": losses(c)}) for i, c in enumerate(drawn)]


@pytest.mark.parametrize("name", ["tpe", "gp", "evolution"])
def test_losses_of_different_rungs_are_not_mixed(name: str) -> None:
    """How good a loss looks at a lower rung does not matter, only that it got no further."""
    high = at_random(14, 0, lambda c: {3: c["share"], 9: c["share"]})
    proposals = []
    for at in (-9.0, 9.0):
        low = [
            replace(t, results={"loss": {3: t.losses[3] + at}})
            for t in at_random(8, 20, lambda c: {3: c["rate"]})
        ]
        proposals.append(propose(algorithm(name), space(), [*high, *low], 40, 1))
    assert proposals[0] == proposals[1]


@pytest.mark.parametrize("name", ["tpe", "gp", "evolution", "cmaes", "anneal"])
@pytest.mark.parametrize("failed", [True, False])
def test_a_region_whose_trials_are_stopped_or_fail_is_left(name: str, failed: bool) -> None:
    line = parse_space("x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}", "space.yaml")
    trials = [
        Trial(i, "", State.FINISHED, {"x": 0.3 + i / 60, "y": i / 12}, {"loss": {1: 1.0, 9: 0.3 + i / 60}})
        for i in range(12)
    ]
    state, losses = (State.FAILED, {}) if failed else (State.PAUSED, {1: 0.9})
    bad = [
        Trial(12 + i, "", state, {"x": i / 100, "y": (i * 7 % 20) / 20}, {"loss": losses}) for i in range(20)
    ]
    found = [propose(algorithm(name), line, [*trials, *bad], 40 + i, i) or {} for i in range(20)]
    assert sum(c["x"] < 0.2 for c in found) <= 6


def test_many_trials_are_thinned_and_the_best_kept() -> None:
    text = parse_space("x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}", "space.yaml")
    trials = []
    for i in range(3000):
        x = (i * 0.6180339887) % 1
        config = {"x": x, "y": (i * 0.7548776662) % 1}
        trials.append(Trial(i, "", State.FINISHED, config, {"loss": {5: (x - 0.3) ** 2}}))
    found = [propose(algorithm("tpe"), text, trials, 3000 + i, 0) for i in range(5)]
    assert all(c is not None and abs(c["x"] - 0.3) < 0.15 for c in found)


def test_a_trial_that_went_past_the_rung_counts_for_nothing_and_not_as_the_worst() -> None:
    """As where scoring on the way would cost: hyperband's later brackets begin at higher rungs."""
    low = [trial(i, e1=1.0 + i) for i in range(10)]
    past = [trial(10, e3=0.1), trial(11, e3=0.2)]
    assert observed_at([*low, *past]) == 1
    assert standing([*low, *past]) == {i: 1.0 + i for i in range(10)}
    line = parse_space("x: {type: float, low: 0, high: 1}", "space.yaml")
    known = [replace(t, config={"x": t.number / 10}) for t in low]
    beside = [replace(t, config={"x": 0.05}) for t in past]
    for name in ("tpe", "gp", "evolution", "anneal"):
        found = algorithm(name)
        assert propose(found, line, [*known, *beside], 20, 1) == propose(found, line, known, 20, 1)


def test_tpe_draws_at_random_while_nearly_all_trials_run() -> None:
    ended = [
        Trial(0, "", State.FINISHED, propose(algorithm("tpe"), space(), [], 0, 1) or {}, {"loss": {1: 0.5}})
    ]
    running = [
        replace(t, state=State.RUNNING, results={"loss": {}}) for t in at_random(15, 1, lambda c: {1: 0.5})
    ]
    drawn = propose(algorithm("random"), space(), [*ended, *running], 16, 1)
    assert propose(algorithm("tpe"), space(), [*ended, *running], 16, 1) == drawn
    done = [replace(t, state=State.FINISHED, results={"loss": {1: t.config["share"]}}) for t in running]
    assert propose(algorithm("tpe"), space(), [*ended, *done], 16, 1) != drawn
