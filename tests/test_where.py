"""Constraints between hyperparameters: no trial's config breaks them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo import tune
from mlflow_hpo.algorithms import algorithm, grid_size, propose
from mlflow_hpo.errors import HpoError, SpaceError
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.report.summary import where_line
from mlflow_hpo.schedulers.explore import explore
from mlflow_hpo.space import (
    Where,
    broken,
    changed,
    check_where,
    dump_space,
    nearest,
    parse_given,
    parse_space,
    share,
    space_text,
)
from mlflow_hpo.trial import State, Trial

TEXT = """
layers: {type: int, low: 1, high: 10}
units: [16, 64, 256, 1024]
opt:
  rate: {type: float, low: 1.0e-05, high: 1.0, log: true}
optimizer:
  - adam
  - sgd: {momentum: {type: float, low: 0, high: 1}}
where: [layers * units < 300, momentum < 0.5 or opt.rate < 1e-3]
"""
SPACE = parse_space(TEXT, "space.yaml")


@pytest.mark.parametrize(
    "name", ["random", "tpe", "anneal", "gp", "evolution", "cmaes", "grid", "optuna:TPE"]
)
def test_no_algorithm_proposes_what_breaks_them(name: str) -> None:
    trials: list[Trial] = []
    for number in range(25):
        config = propose(algorithm(name), SPACE, trials, number, seed=1)
        assert config
        assert config["layers"] * config["units"] < 300
        assert config.get("momentum", 0) < 0.5 or config["opt.rate"] < 1e-3
        loss = -config["layers"] * config["units"]  # the best is at the border
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: float(loss)}}))
    assert len({str(t.config) for t in trials}) == 25


def test_few_configs_that_keep_to_them_do_not_end_the_search() -> None:
    text = "a: {type: int, low: 1, high: 100}\nb: {type: int, low: 1, high: 100}\nwhere: a == b and a > 95"
    space, trials = parse_space(text, "s"), list[Trial]()
    for number in range(4):
        config = propose(algorithm("random"), space, trials, number, seed=1)
        assert config is not None
        assert config["a"] == config["b"] > 95
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: 0.0}}))


@given(st.integers(0, 1000))
def test_a_changed_copy_keeps_to_them(seed: int) -> None:
    before = {"layers": 4, "units": 64, "opt.rate": 0.01, "optimizer": "adam"}
    assert not broken(SPACE, explore(SPACE, before, ["layers", "units"], 5, seed))


def test_a_grid_has_what_they_leave() -> None:
    space = parse_space("a: [1, 2, 3]\nb: [1, 2, 3]\nwhere: a < b", "s")
    assert grid_size(space, 5) == 3
    trials = list[Trial]()
    while config := propose(algorithm("grid"), space, trials, len(trials), 0):
        trials.append(Trial(len(trials), "", State.FINISHED, config, {"loss": {1: 0.0}}))
    assert sorted((t.config["a"], t.config["b"]) for t in trials) == [(1, 2), (1, 3), (2, 3)]
    with pytest.raises(HpoError, match="100000 are"):
        grid_size(parse_space("a: {type: int, low: 1, high: 1000000}\nwhere: a < 3", "s"), 5)


def test_the_share_that_they_leave_is_said() -> None:
    space = parse_space("a: {type: float, low: 0, high: 1}\nwhere: a < 0.25", "s")
    assert share(space) == pytest.approx(0.25, abs=0.03)
    assert where_line(space) == f"where: a < 0.25 leaves about {100 * share(space):.2g}% of the space"


def test_a_baseline_that_breaks_them_gives_way_to_one_near_it() -> None:
    found = ModelInfo("m", defaults={"units": 1024, "layers": 3, "opt.rate": 0.1}).baseline(SPACE)
    assert found["layers"] * found["units"] < 300
    assert (found["opt.rate"], found["optimizer"]) == (0.1, "adam")  # named by none that is broken
    kept = {"layers": 4, "units": 64, "opt.rate": 0.1, "optimizer": "adam"}
    assert nearest(SPACE, kept) == kept


def test_a_given_config_may_not_break_them() -> None:
    with pytest.raises(SpaceError, match=r"config 1: it does not keep to where: layers \* units < 300"):
        parse_given("- {layers: 10, units: 1024}", "given.yaml", SPACE, {})


def test_they_are_kept_with_the_space_and_come_from_python_too() -> None:
    assert parse_space(dump_space(SPACE), "s") == SPACE
    text = space_text({"a": [1, 2], "b": {"c": [1, 2]}, "where": ["a <= b.c", "a + b.c < 4"]})
    space = parse_space(text, "s")
    assert [where.text for where in space.where] == ["a <= b.c", "a + b.c < 4"]
    assert space.names() == {"a", "b.c"}
    both = changed(parse_space("a: [1, 2, 3]\nwhere: a > 1", "s"), parse_space("where: a < 3\na: [2]", "s"))
    assert both.where == (Where("a > 1"), Where("a < 3"))


@pytest.mark.parametrize(
    ("where", "config", "holds"),
    [
        ("a < 1 or b in ['x', 'y']", {"a": 2, "b": "y"}, True),
        ("not a", {"a": True}, False),
        ("1 < a <= 3", {"a": 3}, True),
        ("sum(layers) < 100 and len(layers) > 1", {"layers": [50, 60]}, False),
        ("layers[0] >= layers[-1]", {"layers": [50, 40]}, True),
        ("n / d > 1", {"n": 1, "d": 0}, False),
        ("max(a, o.p) == o.p", {"a": 1, "o.p": 2}, True),
        ("gone == 1", {"a": 1}, True),
        ("a ** 999999999 > 0", {"a": 9}, False),
    ],
)
def test_what_one_says(where: str, config: dict[str, Any], holds: bool) -> None:
    assert Where(where).holds(config) is holds


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1]\nwhere: a * 2", r"space.yaml:2: where: 'a \* 2' is no comparison, such as"),
        ("a: [1]\nwhere: a <", "is no comparison"),
        ("where: [a < 1, a: 2]\na: [1]", "space.yaml:1: where"),
        ("a: [1]\nwhere: open('x') < 1", "calls open: it may call abs, "),
        ("a: [1]\nwhere: a.__class__() == 1", "calls a.__class__: it may call abs, "),
        ("a: [1]\nwhere: " + "(" * 500 + "a" + ")" * 500 + " < 1", "is no comparison"),
    ],
    ids=["number", "cut", "mapping", "call", "method", "deep"],
)
def test_what_is_no_constraint_is_refused(text: str, fault: str) -> None:
    with pytest.raises(SpaceError, match=fault):
        parse_space(text, "space.yaml")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("a: [1]\nwhere: b < 1", "where: 'b < 1' names 'b', and the space has a"),
        ("a: [1, 2]\nwhere: a > 5", "none of 10000 configs drawn at random keeps to a > 5"),
    ],
)
def test_what_nothing_can_keep_to_is_refused(text: str, fault: str) -> None:
    with pytest.raises(SpaceError, match=fault):
        check_where(parse_space(text, "s"))


def test_a_study_keeps_to_them(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.uri)
    space = {"a": [1, 2, 3, 4], "b": [1, 2, 3, 4], "where": "a * b <= 4"}
    study = tune(lambda config: config["a"] * config["b"], space, direction="maximize", max_trials=6)
    assert all(trial.config["a"] * trial.config["b"] <= 4 for trial in study.trials)
    assert study.best_value == 4
