from typing import Any

from contracts import AlgorithmContract, space

from mlflow_hpo.algorithms import GRID_POINTS, algorithm, grid_size, is_on_grid, propose
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial


class TestGrid(AlgorithmContract):
    algorithm = algorithm("grid")

    def test_seeds_differ(self) -> None:
        """A grid has no chance in it: they do not."""
        assert self.propose(self.history(3), 3, 1) == self.propose(self.history(3), 3, 2)

    def test_every_combination_comes_once_and_then_no_more(self) -> None:
        text = "a: [x, y: {m: [1, 2, 3]}]\nr: {type: float, low: 0, high: 1}\nn: {type: int, low: 1, high: 5}"
        found: list[dict[str, Any]] = []
        whole = parse_space(text, "space.yaml")
        assert grid_size(whole, 3) == (1 + 3) * 3 * 5
        while config := propose(
            algorithm("grid", grid_points=3),
            whole,
            [Trial(i, "", State.FINISHED, c, {"loss": {1: 0.0}}) for i, c in enumerate(found)],
            len(found),
            0,
        ):
            assert config not in found
            found.append(config)
        assert len(found) == 60
        assert {c["r"] for c in found} == {0.0, 0.5, 1.0}
        assert grid_size(space(), GRID_POINTS) == 5 * 5 * 8 * 100 * 7 * 7 * (1 + 5 * (1 + 9))


def test_a_grid_of_billions_is_counted_and_drawn_from_without_being_laid_out() -> None:
    huge = parse_space(
        "n: {type: int, low: 0, high: 2147483647}\nx: {type: float, low: 0, high: 1, step: 1e-9}", "s"
    )
    assert grid_size(huge, 5) == 2**31 * (10**9 + 1)
    config = propose(algorithm("grid"), huge, [], 0, 0)
    assert config is not None
    assert is_on_grid(huge, config, 5)


def test_the_points_of_a_float_are_round_and_its_ends_exact() -> None:
    rate = parse_space("rate: {type: float, low: 1e-4, high: 1e-1, log: true}", "space.yaml")
    trials: list[Trial] = []
    while config := propose(algorithm("grid", grid_points=4), rate, trials, len(trials), 0):
        trials.append(Trial(len(trials), "", State.FINISHED, config, {"loss": {1: 0.0}}))
    assert sorted(t.config["rate"] for t in trials) == [1e-4, 1e-3, 1e-2, 1e-1]
    assert is_on_grid(rate, {"rate": 1e-3}, 4)


def test_a_grid_tries_a_number_once_and_true_beside_it() -> None:
    kinds = parse_space("a: [1, 1.0, true]", "space.yaml")
    trials: list[Trial] = []
    while config := propose(algorithm("grid"), kinds, trials, len(trials), 0):
        trials.append(Trial(len(trials), "", State.FINISHED, config, {"loss": {1: 0.0}}))
    assert [type(t.config["a"]) for t in trials] == [int, bool]


def test_a_grid_counts_a_trial_that_went_past_the_rung() -> None:
    nine = parse_space("x: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "space.yaml")
    trials: list[Trial] = []
    while config := propose(algorithm("grid"), nine, trials, len(trials), 0):
        losses = {3: 0.1} if len(trials) in (5, 6) else {1: 0.5}
        trials.append(Trial(len(trials), "", State.PAUSED, config, {"loss": losses}))
    assert sorted(t.config["x"] for t in trials) == list(range(1, 10))
