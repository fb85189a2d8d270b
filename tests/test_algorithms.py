from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from contracts import AlgorithmContract, space
from hyperopt import rand

from mlflow_hpo.algorithms import (
    GRID_POINTS,
    Algorithm,
    algorithm,
    grid_size,
    is_on_grid,
    observed_at,
    propose,
)
from mlflow_hpo.algorithms.counts import standing
from mlflow_hpo.algorithms.suggest import whole
from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import State, Trial

NUMERIC = "a: {type: int, low: 1, high: 4}\nb: {type: int, low: 1, high: 3}"


class Learning(AlgorithmContract):
    """One that does better than chance on a simple function."""

    def test_it_learns(self) -> None:
        trials = self.history(50)
        early = [t.losses[10] for t in trials[:10]]
        late = [t.losses[10] for t in trials[-15:]]
        assert sum(late) / len(late) < sum(early) / len(early)

    def test_a_running_trial_is_not_proposed_again(self) -> None:
        trials = self.history(20)
        running = Trial(20, "", State.RUNNING, propose(self.algorithm, space(), trials, 20, 1) or {})
        assert propose(self.algorithm, space(), [*trials, running], 21, 1) != running.config


class TestRandom(AlgorithmContract):
    algorithm = algorithm("random")


class TestTpe(Learning):
    algorithm = algorithm("tpe")


class TestAnneal(Learning):
    algorithm = algorithm("anneal")


class TestGp(Learning):
    algorithm = algorithm("gp")


class TestEvolution(Learning):
    algorithm = algorithm("evolution")


class TestCmaes(Learning):
    algorithm = algorithm("cmaes")
    small = NUMERIC

    def test_it_needs_numbers(self) -> None:
        with pytest.raises(ConfigError, match="'cmaes' needs 2 numeric hyperparameters, the space has 0"):
            self.algorithm.check(parse_space("a: [1, 2]", "space.yaml"))


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


class TestOptunaTpe(Learning):
    algorithm = algorithm("optuna:TPESampler")


class TestOptunaNsga2(AlgorithmContract):
    algorithm = algorithm("optuna:NSGAII")

    def test_its_generations_are_rebuilt(self) -> None:
        """Its population is 50: what it learnt shows after that."""
        trials = self.history(120)
        early = [t.losses[10] for t in trials[:50]]
        late = [t.losses[10] for t in trials[-20:]]
        assert sum(late) / len(late) < sum(early) / len(early)


class TestOptunaCmaEs(Learning):
    algorithm = algorithm("optuna:CmaEsSampler")
    small = NUMERIC


class TestOptunaQmc(AlgorithmContract):
    algorithm = algorithm("optuna:QMC", seed=7)

    def test_seeds_differ(self) -> None:
        one, other = (
            [propose(algorithm("optuna:QMC", seed=s), space(), self.history(3), 3, s) for _ in "x"]
            for s in (1, 2)
        )
        assert one != other

    def test_the_sequence_goes_on_from_trial_to_trial(self) -> None:
        line = parse_space(
            "x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}", "space.yaml"
        )
        trials: list[Trial] = []
        for number in range(17):
            config = propose(self.algorithm, line, trials, number, 0) or {}
            trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: 0.0}}))
        cells = {int(t.config["x"] * 16) for t in trials[1:]}
        assert len(cells) >= 15  # a random draw would fill ten of the sixteen

    def test_what_hangs_on_a_choice_is_drawn_anew_each_time(self) -> None:
        inner = parse_space("kind: [a, b: {m: {type: float, low: 0, high: 1}}, c]", "space.yaml")
        trials = [Trial(0, "", State.FINISHED, {"kind": "a"}, {"loss": {1: 0.0}})]
        for number in range(1, 16):
            config = propose(self.algorithm, inner, trials, number, 0) or {}
            trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: 0.0}}))
        drawn = [t.config["m"] for t in trials if "m" in t.config]
        assert len(drawn) > 2
        assert len(set(drawn)) == len(drawn)


def test_a_sampler_that_cannot_search_the_space_is_refused_before_it_starts() -> None:
    line = parse_space("x: {type: float, low: 0, high: 1}", "space.yaml")
    with pytest.raises(ConfigError, match=r"'optuna:BruteForce' cannot be used here: ValueError: .*"):
        algorithm("optuna:BruteForce").check(line)
    algorithm("optuna:TPE").check(line)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return len(seed)", "TypeError: object of type 'int' has no len"),
        ("return [{'x': 0.5}]", "KeyError: 'misc'"),
        ("return domain.nowhere", "AttributeError: 'Domain' object has no attribute 'nowhere'"),
        ("raise OSError('no such server')", "OSError: no such server"),
    ],
)
def test_a_users_function_that_fails_is_told_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, words: str
) -> None:
    (tmp_path / "failing.py").write_text(f"def suggest(new_ids, domain, trials, seed):\n    {body}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError) as caught:
        propose(algorithm("failing.py:suggest"), space(), [], 1, 0)
    assert str(caught.value).startswith(f"algorithm 'failing.py:suggest' failed: {words}")


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


@pytest.mark.parametrize("name", ["tpe", "anneal", "random"])
def test_what_lies_below_an_option_is_learnt_of_too(name: str) -> None:
    """Where the option is taken; elsewhere it is not asked for."""
    text = parse_space("kind: [a, b: {x: {type: float, low: 0, high: 1}, deep: [c, d: {y: [1, 2]}]}]", "s")
    trials: list[Trial] = []
    for number in range(60):
        config = propose(algorithm(name), text, trials, number, 3) or {}
        assert text.fault(config) == ""
        loss = (config["x"] - 0.2) ** 2 if "x" in config else 1.0
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: loss}}))
    late = [t.config["x"] for t in trials[30:] if "x" in t.config]
    assert len(late) > 5
    assert name != "anneal" or all(abs(x - 0.2) < 0.2 for x in late)


def test_a_grid_tries_a_number_once_and_true_beside_it() -> None:
    kinds = parse_space("a: [1, 1.0, true]", "space.yaml")
    trials: list[Trial] = []
    while config := propose(algorithm("grid"), kinds, trials, len(trials), 0):
        trials.append(Trial(len(trials), "", State.FINISHED, config, {"loss": {1: 0.0}}))
    assert [type(t.config["a"]) for t in trials] == [int, bool]


def test_a_sampler_that_optuna_does_not_have_is_named_with_those_it_has() -> None:
    with pytest.raises(ConfigError, match=r"unknown sampler of Optuna's 'XYZ': known are .*TPESampler"):
        algorithm("optuna:XYZ")


@pytest.mark.parametrize("name", ["gp:x", "nowhere.module:suggest", "json:nothing"])
def test_a_function_that_cannot_be_imported_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"algorithm '{name}' (cannot be imported: |does not exist: )"):
        algorithm(name)


def test_a_users_function_is_imported_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine_to_suggest.py").write_text("from hyperopt.rand import suggest\nnumber = 3\n")
    monkeypatch.chdir(tmp_path)
    mine = algorithm("mine_to_suggest:suggest")
    assert propose(mine, space(), [], 1, 0) == propose(Algorithm(whole(rand.suggest)), space(), [], 1, 0)
    with pytest.raises(ConfigError, match="'mine_to_suggest:number' is no function, but 3"):
        algorithm("mine_to_suggest:number")


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


def test_a_grid_counts_a_trial_that_went_past_the_rung() -> None:
    nine = parse_space("x: [1, 2, 3, 4, 5, 6, 7, 8, 9]", "space.yaml")
    trials: list[Trial] = []
    while config := propose(algorithm("grid"), nine, trials, len(trials), 0):
        losses = {3: 0.1} if len(trials) in (5, 6) else {1: 0.5}
        trials.append(Trial(len(trials), "", State.PAUSED, config, {"loss": losses}))
    assert sorted(t.config["x"] for t in trials) == list(range(1, 10))


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


@pytest.mark.parametrize("arguments", ["new_ids", "", "a, b, c, d, e", "*, new_ids, domain, trials, seed"])
def test_a_function_that_cannot_be_called_is_refused_before_it_is(tmp_path: Path, arguments: str) -> None:
    (tmp_path / "narrow.py").write_text(f"def suggest({arguments}):\n    raise SystemExit\n")
    with pytest.raises(ConfigError, match=r"cannot be called as suggest\(new_ids, domain, trials, seed\): "):
        algorithm(f"{tmp_path}/narrow.py:suggest")
    with pytest.raises(ConfigError, match="'json:dumps' cannot be called as suggest"):
        algorithm("json:dumps")
