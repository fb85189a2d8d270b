"""Hyperopt's expressions: our space of them, and the structure that the user's function takes."""

import subprocess
import sys
from math import log
from typing import Any

import cloudpickle
import numpy as np
import pytest
from hyperopt import Trials, fmin, hp, rand, space_eval
from hyperopt.pyll import scope
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.algorithms import algorithm, propose
from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space import Choice, Float, Int, Space, Structure, is_expression, parse_space, space_text

shared = hp.loguniform("shared", log(1e-4), log(1e-1))

EXPRESSIONS: dict[str, Any] = {
    "flat": {
        "rate": hp.loguniform("rate", log(1e-5), log(1e-1)),
        "share": hp.uniform("share", 0, 0.9),
        "units": hp.choice("units", [32, 64, (64, 32), [], None, "auto"]),
        "layers": scope.int(hp.quniform("layers", 1, 5, 1)),
        "batch": hp.quniform("batch", 16, 128, 16),
        "drop": hp.quniform("drop", 0.1, 0.5, 0.1),
        "trees": hp.uniformint("trees", 10, 30),
        "depth": scope.int(hp.qloguniform("depth", log(1), log(100), 1)),
        "seed": hp.randint("seed", 7),
        "from": hp.randint("from", 3, 9),
        "one": hp.randint("one", 1),
        "fixed": {"verbose": False, "list": [1, "a"]},
        "sum": 2 * hp.uniform("summand", 0, 1) + 1,
    },
    "classifiers": hp.choice(
        "classifier",
        [
            {"type": "bayes"},
            {
                "C": hp.uniform("C", 0, 9),
                "kernel": hp.choice(
                    "kernel", [{"ktype": "linear"}, {"ktype": "RBF", "width": hp.loguniform("width", -3, 3)}]
                ),
                "type": "svm",
            },
            {
                "type": "tree",
                "criterion": hp.choice("criterion", ["gini", "entropy"]),
                "depth": hp.choice("depth", [None, hp.quniform("max_depth", 2, 10, 2)]),
            },
        ],
    ),
    "nested": {
        "rate": shared,
        "tool": hp.pchoice("tool", [(0.5, {"rate": shared, "m": hp.uniform("m", 0, 1)}), (0.5, ("sgd", 1))]),
        "function": hp.choice("function", [np.sin, np.cos, lambda x: x]),
        "case": hp.choice("case", [("one", hp.uniform("x", -1, 1)), ("two", hp.randint("y", 5)), {}, {}]),
        "same": hp.choice("same", [1, 1.5, True, [[1], [2]], {"kind": "a"}, {"kind": "a"}]),
    },
    "priors": {
        "n": hp.normal("n", 3, 2),
        "kind": hp.pchoice("kind", [(0.2, "bayes"), (0.8, {"type": "svm", "C": hp.lognormal("C", 0, 1)})]),
    },
    "list": [hp.uniform("a", 0, 1), hp.choice("b", [hp.choice("c", [1, 2]), hp.choice("d", [3, 4])])],
}


def of(expression: Any) -> Space:
    return parse_space(space_text(expression), "space")


def drawn(expression: Any, seed: int) -> tuple[dict[str, Any], Any]:
    """The raw values by label that Hyperopt's own sampler draws, and what the user's function takes then."""
    seen: list[Any] = []
    trials = Trials()

    def objective(structure: Any) -> float:
        seen.append(structure)
        return 0.0

    fmin(
        objective,
        expression,
        rand.suggest,
        max_evals=1,
        trials=trials,
        rstate=np.random.default_rng(seed),
        verbose=False,
        show_progressbar=False,
    )
    return {label: vals[0] for label, vals in trials.trials[0]["misc"]["vals"].items() if vals}, seen[0]


def encoded(space: Space, raws: dict[str, Any]) -> dict[str, Any]:
    """The config of a draw: options by index, numbers rounded to the grid that they are on."""
    values: dict[str, Any] = {}
    for label, parameter in space.leaves.items():
        name = label.rpartition("|")[2]
        if name not in raws:
            continue
        if isinstance(parameter, Choice):
            values[name] = parameter.decode(raws[name])
        elif isinstance(parameter, Int):
            values[name] = round(raws[name])
        else:
            values[name] = parameter.decode(parameter.encode(float(raws[name])) or 0.0)
    values |= {name: raws[name] for name in raws if name not in values}  # of one value, which is fixed
    return values


def close(one: Any, other: Any) -> bool:
    """Equal, numbers to the last digits."""
    if isinstance(one, dict):
        return set(one) == set(other) and all(close(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return type(one) is type(other) and len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, int | float):
        return bool(np.isclose(one, other, rtol=1e-12, atol=1e-12)) and isinstance(one, bool) == isinstance(
            other, bool
        )
    return bool(one == other)


@pytest.mark.parametrize("name", EXPRESSIONS)
@given(seed=st.integers(0, 2**31))
def test_a_draw_of_hyperopts_comes_back_as_the_same_structure(name: str, seed: int) -> None:
    expression = EXPRESSIONS[name]
    raws, structure = drawn(expression, seed)
    config = encoded(of(expression), raws)
    assert of(expression).fault(config) == ""
    assert close(Structure(expression)(config), structure)


@pytest.mark.parametrize("name", EXPRESSIONS)
@pytest.mark.parametrize("kind", ["random", "tpe", "gp"])
def test_a_proposal_of_ours_has_a_structure(name: str, kind: str) -> None:
    expression = EXPRESSIONS[name]
    structure = cloudpickle.loads(cloudpickle.dumps(Structure(expression)))
    for seed in range(20):
        config = propose(algorithm(kind), of(expression), [], 0, seed)
        assert config is not None
        choices = {k.rpartition("|")[2]: p for k, p in of(expression).leaves.items() if isinstance(p, Choice)}
        raws = {k: choices[k].encode(v) if k in choices else v for k, v in config.items()}
        if name != "nested":  # functions are copied
            assert structure(config) == space_eval(expression, raws)
        assert Structure(expression)(config) == space_eval(expression, raws)


def test_types_are_those_that_fmin_gives() -> None:
    config = {"layers": 2, "batch": 32, "drop": 0.3, "trees": 12}
    expression = {k: EXPRESSIONS["flat"][k] for k in config}
    found = Structure(expression)(config)
    assert found == {"layers": 2, "batch": 32.0, "drop": 0.3, "trees": 12}
    assert {k: type(v) for k, v in found.items()} == {
        "layers": int,
        "batch": float,
        "drop": float,
        "trees": int,
    }


def test_ranges_are_read() -> None:
    known = of(EXPRESSIONS["flat"]).parameters
    assert known["rate"] == Float(low=1e-5, high=1e-1, log=True)
    assert known["share"] == Float(low=0, high=0.9)
    assert known["batch"] == Int(low=16, high=128, step=16)
    assert known["drop"] == Float(low=0.1, high=0.5, step=0.1)
    assert known["trees"] == Int(low=10, high=30)
    assert known["depth"] == Int(low=1, high=100, log=True)
    assert (known["seed"], known["from"]) == (Int(low=0, high=6), Int(low=3, high=8))
    assert of(hp.quniform("q", 0.5, 10.5, 1)).parameters["q"] == Int(low=1, high=10)
    assert of(hp.quniform("q", 3, 12, 5)).parameters["q"] == Int(low=5, high=10, step=5)


def test_options_have_readable_values() -> None:
    def values(space: Space, name: str) -> list[Any]:
        parameter = space.parameters[name]
        assert isinstance(parameter, Choice)
        return [o.value for o in parameter.options]

    classifiers, nested = of(EXPRESSIONS["classifiers"]), of(EXPRESSIONS["nested"])
    assert values(classifiers, "classifier") == ["bayes", "svm", "tree"]
    assert classifiers.names() == {
        "classifier", "C", "kernel", "width", "criterion", "depth", "max_depth"
    }  # fmt: skip
    assert values(of(EXPRESSIONS["flat"]), "units") == [32, 64, [64, 32], [], None, "auto"]
    assert values(nested, "function") == ["sin", "cos", "<lambda>"]
    assert values(nested, "case") == ["one", "two", 2, 3]
    assert values(nested, "same") == [1, 1.5, True, 3, "a", 5]
    tree = classifiers.parameters["classifier"]
    assert isinstance(tree, Choice)
    inner = tree.options[2].space
    assert inner is not None
    assert values(inner, "depth") == [None, "max_depth"]


REFUSED = {
    "space: q: hp.qloguniform from 1 to 100 by 5 has no place": hp.qloguniform("q", 0, log(100), 5),
    "space: q: hp.qloguniform from 0.1 to 100 by 1 has no place": hp.qloguniform("q", log(0.1), log(100), 1),
    "space: x: the label is used for two": [hp.uniform("x", 0, 1), hp.uniform("x", 0, 2)],
    "space: x: hp.uniform has no high: give it": hp.uniform("x", 0),
    "space: x: hp.uniform has high inf: it must be a finite number": hp.uniform("x", 0, float("inf")),
    "space: x: hp.quniform has q 0: it must be above 0": hp.quniform("x", 0, 1, 0),
    "space: x: hp.loguniform takes the logarithms of its bounds, not 1000": hp.loguniform("x", 1, 1000),
    "space: x: low must be above 0 on a log scale, not 0.0": hp.loguniform("x", -1000, 0),
    "space: x.high: must be a whole number": hp.randint("x", 5.5),
    "space: x: hp.uniform has high 'uniform'": hp.uniform("x", 0, scope.uniform(0, 1)),
    "space: a switch of Hyperopt's is no hp.choice": {"a": scope.switch(0, hp.uniform("x", 0, 1), 2)},
    "space: 'a|b' is no name": hp.uniform("a|b", 0, 1),
    "space: b: 'x' is defined twice where both would be active": [
        hp.choice(label, [1, x]) for x in [hp.uniform("x", 0, 1)] for label in "ab"
    ],
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_a_space_cannot_say_is_refused_by_name(message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_text(REFUSED[message])
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_a_config_that_is_not_in_the_space_has_no_structure() -> None:
    structure = Structure(EXPRESSIONS["classifiers"])
    for config, fault in [
        ({"classifier": "forest"}, "'forest' is not"),
        ({"classifier": "svm"}, "missing"),
    ]:
        with pytest.raises(SpaceError, match=fault):
            structure(config)


def test_an_expression_is_told_from_other_spaces() -> None:
    assert all(map(is_expression, EXPRESSIONS.values()))
    assert not any(map(is_expression, [{"a": [1, 2]}, "space.yaml", {}, of(EXPRESSIONS["flat"]), None]))


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = (
        "import sys; from mlflow_hpo.space import is_expression, space_text; "
        "assert not is_expression({'a': [1, {'b': (2,)}]}); space_text({'a': [1, 2]}); "
        "print([m for m in ('hyperopt', 'scipy', 'optuna', 'ray', 'numpy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
