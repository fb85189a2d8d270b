import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contracts import SPACE, space
from hyperopt.pyll.stochastic import sample
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.models import BUILDERS, find_model
from mlflow_hpo.space import Choice, Float, Int, dump_space, load_space, parse_space


def draw(seed: int) -> dict[str, Any]:
    """A config, drawn by Hyperopt itself."""
    from mlflow_hpo.algorithms import algorithm, propose

    return propose(algorithm("random"), space(), [], 0, seed) or {}


@given(st.integers(0, 2**32 - 1))
def test_a_config_survives_encoding_and_json(seed: int) -> None:
    config = draw(seed)
    vals = space().encode(config)
    assert vals is not None
    assert space().decode(vals) == config
    assert json.loads(json.dumps(config)) == config


@given(st.integers(0, 2**32 - 1))
def test_a_drawn_config_keeps_to_the_space(seed: int) -> None:
    config = draw(seed)
    assert 1e-4 <= config["rate"] <= 1e-1
    assert config["width"] in range(8, 65, 8)
    assert config["depth"] in range(1, 101)
    assert config["size"] == 3
    assert config["drop"] in [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert config["kind"] in ["a", "b", 4, True, None, 0.5, [8, 4]]
    assert ("momentum" in config) == (config["tool"] == "pushed")
    assert ("deep" in config) == (config.get("inner") == "two")


@given(st.integers(-50, 50), st.integers(1, 60), st.integers(1, 20), st.floats(-100, 100))
def test_an_int_is_on_its_grid(low: int, width: int, step: int, raw: float) -> None:
    if step > width:
        return
    grid = Int(low=low, high=low + width, step=step)
    value = grid.decode(raw)
    assert value in range(low, low + width + 1, step)
    assert grid.decode(grid.encode(value) or 0.0) == value


@given(st.floats(1e-6, 1e3), st.floats(1.0001, 1e3), st.booleans(), st.floats(-1e9, 1e9))
def test_a_float_is_in_its_range(low: float, factor: float, log: bool, raw: float) -> None:
    known = Float(low=low, high=low * factor, log=log)
    assert known.low <= known.decode(raw) <= known.high


@given(
    st.decimals(-5, 5, places=3),
    st.decimals("0.001", 2, places=3),
    st.integers(1, 50),
    st.floats(0, 0.999),
    st.floats(-100, 100),
)
def test_a_float_with_a_step_is_on_its_grid(low: Any, step: Any, steps: int, rest: float, raw: float) -> None:
    known = Float(low=float(low), high=float(low + step * steps), step=float(step))
    values = [float(low + i * step) for i in range(steps + 1)]  # in decimals: no float noise
    assert [known.decode(r) for r in (known.on_grid(i, 3) for i in range(known.grid_size(3)))] == values
    assert known.decode(raw) in values
    for index, value in enumerate(values):
        assert known.encode(value) == index
        assert known.from_unit(known.unit(index)) == index
    assert known.encode(values[0] + (0.3 + 0.4 * rest) * float(step)) is None
    assert known.encode(values[0] - float(step)) is None
    assert known.encode(values[-1] + float(step)) is None


def test_a_float_with_a_step_has_even_odds_by_every_way_to_draw_it() -> None:
    known = parse_space("a: {type: float, low: 0.1, high: 0.4, step: 0.1}", "s")
    a = known.parameters["a"]
    assert isinstance(a, Float)
    rng = np.random.default_rng(0)
    hyperopts = [a.decode(sample(known.expression()["a"], rng)) for _ in range(2000)]
    ours = [a.decode(a.from_unit(rng.random())) for _ in range(2000)]
    for drawn in (hyperopts, ours):
        values, counts = np.unique(drawn, return_counts=True)
        assert values.tolist() == [0.1, 0.2, 0.3, 0.4]
        assert counts.min() > 400
    assert a.encode(0.1 + 0.2) == a.encode(0.3) == 2


def test_an_option_may_be_a_list() -> None:
    known = parse_space("a: [[50], [100, 50], [1, x, true, null], [], 7]", "s")
    for index, value in enumerate([[50], [100, 50], [1, "x", True, None], [], 7]):
        config = known.decode({"a": [index]})
        assert config == {"a": value}
        assert known.encode(json.loads(json.dumps(config))) == {"a": [index]}
    assert known.encode({"a": [50.0]}) == {"a": [0]}
    for strange in ([1, "x", 1, None], (50,), [50, 50], 50):
        assert known.encode({"a": strange}) is None
    known.decode({"a": [0]})["a"].append(1)
    assert known.decode({"a": [0]}) == {"a": [50]}


def test_log_scales_are_uniform_in_the_logarithm() -> None:
    expression = parse_space("a: {type: float, low: 1e-6, high: 1, log: true}", "s").expression()["a"]
    rng = np.random.default_rng(0)
    drawn = np.log10([sample(expression, rng) for _ in range(500)])
    assert abs(np.median(drawn) + 3) < 0.5


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"rate": 1.0},
        {"width": 9},
        {"width": 8.0},
        {"drop": 0.35},
        {"kind": [8.5, 4]},
        {"kind": 1},  # 1 == True, but the option is true
        {"size": 4},
        {"tool": "plain", "momentum": 0.5},
        {"tool": "pushed"},
        {"stranger": 1},
    ],
)
def test_what_is_not_in_the_space_is_not_encoded(config: dict[str, Any]) -> None:
    inside: dict[str, Any] = {"rate": 0.01, "share": 0.5, "width": 8, "depth": 3, "drop": 0.3, "size": 3}
    inside |= {"kind": "a", "tool": "plain"}
    assert space().encode(inside) is not None
    assert space().encode(inside | config if config else {}) is None


def test_numbers_and_booleans_are_those_of_yaml_1_2() -> None:
    text = "a: [1e-3, 2E4, .5, -2, yes, on, true, 1:1, 16:9, 010, 0x1f, 0o17, 10_000, 2026-01-31, -08, '7']"
    known = parse_space(text, "s")
    choice = known.parameters["a"]
    assert isinstance(choice, Choice)
    first = [0.001, 20000.0, 0.5, -2, "yes", "on", True, "1:1", "16:9"]
    assert [o.value for o in choice.options] == [*first, 10, 31, 15, 10_000, "2026-01-31", -8, "7"]
    assert parse_space(dump_space(known), "s") == known


FAULTS = {
    "a: {{ low }}": "s:1: a: {'low': None} is no name for a hyperparameter",
    "a: {? [b] : 1}": "s:1: a: ['b'] is no name for a hyperparameter",
    "a: \x07": "s: not valid YAML: unacceptable character",
    "a: [{b: &x {c: [1, {d: *x}]}}]": "s:1: an alias holds itself, or the space is too deep",
    "a: " + "[" * 3000: "s:1: an alias holds itself, or the space is too deep",
    "a: []": "s:1: a: a choice needs at least one option",
    "x: [1, 2]\nb: {type: float, low: 3, high: 1}": "s:2: b: low must be below high, but 3.0 >= 1.0",
    "c: {type: int, low: 1}": "s:1: c.high: is missing",
    "d: {typ: int, low: 1, high: 2}": "s:1: d: no type: expected type float, int, normal or choice",
    "d: {type: word, low: 1}": "s:1: d: type 'word': expected type float, int, normal or choice, or a list",
    "d: {type: [1], low: 1, high: 2}": "s:1: d: type [1]: expected type float, int, normal or",
    "d: {type: normal, mean: 0, std: 0}": "s:1: d.std: must be above 0, not 0",
    "d: {type: choice, options: [a, b], odds: [1, 0]}": "s:1: d: odds are as many numbers above 0",
    "d: {type: choice, odds: [1, 2]}": "s:1: d: a choice with odds has two lists of equal length",
    "o: {rate: {type: float, low: 3, high: 1}}": "s:1: o.rate: low must be below high, but 3.0 >= 1.0",
    "o: {a: [1, 2]}\no.a: [1, 2]": "s:2: o.a: 'o.a' is defined twice where both would be active",
    "e: {type: int, low: 1, high: 5, step: 0}": "s:1: e.step: must be at least 1",
    "e: {type: int, low: 1, high: 5, step: 9}": "s:1: e: step 9 is larger than the range from 1 to 5",
    "e: {type: int, low: 1, high: 5, setp: 2}": "s:1: e.setp: is no field of a range",
    "f: {type: float, low: 0, high: 1, log: true}": "s:1: f: low must be above 0 on a log scale, not 0.0",
    "g: {type: float, low: wide, high: 1}": "s:1: g.low: must be a number, not 'wide'",
    "g: {type: int, low: true, high: 1}": "s:1: g.low: must be a whole number, not True",
    "h: [[[1]], 2]": "s:1: h[0][0]: expected a number, a word, true, false or null",
    "h: [[1, {a: [1, 2]}], 2]": "s:1: h[0][1]: expected a number, a word, true, false or null",
    "h: [[1, 2], [1, 2]]": "s:1: h[1]: option [1, 2] is given twice",
    "k: {type: float, low: 0, high: 1, step: 0}": "s:1: k.step: must be above 0",
    "k: {type: float, low: 0, high: 1, step: 2}": "s:1: k: step 2.0 is larger than the range from 0.0 to 1.0",
    "k: {type: float, low: 0, high: 1, step: 1e-30}": "s:1: k: step 1e-30 is too small for the range",
    "k: {type: float, low: 1, high: 9, step: 2, log: true}": "s:1: k: step and log cannot be combined",
    "h: [.inf, 2]": "s:1: h[0]: inf is not a finite number",
    "i: [a, b, a]": "s:1: i[2]: option 'a' is given twice",
    "i: [a, {b: {}}]": "s:1: i[1].b: the space is empty: name at least one hyperparameter",
    "i:\n  - a\n  - b: {lr: [1, 2]}\nlr: [1, 2]": "s:4: lr: 'lr' is defined twice where both would be active",
    "j: [1, 2]\nj: [3, 4]": "s:2: j: 'j' is defined twice where both would be active",
    "": "s:1: the space is empty: name at least one hyperparameter",
    "- a": "s:1: expected hyperparameters as `name: values`",
    "a: [1, 2": "s:1: not valid YAML",
    "a: !!python/object:os.system {}": "s:1: a: the tag !!python/object:os.system is not read",
    "a: &x [*x]": "s:1: a[0][0]: expected a number, a word, true, false or null",
    "'a|b': [1, 2]": "s:1: 'a|b' is no name for a hyperparameter",
}


@pytest.mark.parametrize("text", FAULTS, ids=FAULTS.values())
def test_a_fault_is_named_with_its_place(text: str) -> None:
    with pytest.raises(SpaceError) as caught:
        parse_space(text, "s")
    assert str(caught.value).startswith(FAULTS[text])


def test_every_fault_is_named() -> None:
    text = "a: []\nb: {type: int, low: 5, high: 2}\nc: {type: float}\n"
    with pytest.raises(SpaceError) as caught:
        parse_space(text, "s")
    assert [line.split(": ")[0] for line in str(caught.value).splitlines()] == ["s:1", "s:2", "s:3", "s:3"]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpaceError, match=r"nowhere\.yaml' cannot be read: No such file"):
        load_space(str(tmp_path / "nowhere.yaml"))


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SpaceError, match=r"s\.yaml' cannot be read"):
        load_space(str(tmp_path / "s.yaml"))


@pytest.mark.parametrize("name", BUILDERS)
def test_a_models_baseline_lies_in_its_own_space(name: str) -> None:
    model = find_model(name)
    own = parse_space(model.space_text, "own")
    assert own.encode(model.baseline(own)) is not None
    assert own.names() <= set(model.defaults)


def test_the_contracts_space_uses_every_kind() -> None:
    assert "log" in SPACE
    assert {type(p).__name__ for p in space().parameters.values()} == {"Float", "Int", "Choice", "Fixed"}


@pytest.mark.parametrize("name", ["/rate", "a//b", "..", "rate@5", "a=b", "unités [px]"])
def test_a_hyperparameter_may_have_a_name_that_mlflow_would_refuse(name: str) -> None:
    assert parse_space(f"'{name}': [1, 2]", "space.yaml").names() == {name}


def test_below_an_option_nothing_is_called_as_the_choice_itself() -> None:
    with pytest.raises(SpaceError, match=r"s:1: kernel: 'kernel' is defined twice where both "):
        parse_space("kernel: [linear, {rbf: {kernel: [1, 2]}}]", "s")
    with pytest.raises(SpaceError, match="'kernel' is defined twice"):
        parse_space("kernel: [linear, {rbf: {inner: [a, {b: {kernel: [1, 2]}}]}}]", "s")


def test_a_range_that_is_wider_than_a_float_is_a_fault() -> None:
    with pytest.raises(SpaceError, match=r"s:1: x: the range from -1e\+308 to 1e\+308 is wider than "):
        parse_space("x: {type: float, low: -1e308, high: 1e308}", "s")
    with pytest.raises(SpaceError, match=r"s:1: x: the range from 0 to 10+ is wider than a float can say"):
        parse_space(f"x: {{type: int, low: 0, high: 1{'0' * 400}}}", "s")


@pytest.mark.parametrize(
    "text", ["a: {b: 1}\na: [1, 2]", "a: [1, 2]\na: {b: {c: 1}}", "a.b: [1]\na: {b: {c: 1}}"]
)
def test_a_name_is_not_also_that_of_a_mapping(text: str) -> None:
    with pytest.raises(SpaceError, match=r"'a(\.b)?' is defined twice where both would be active"):
        parse_space(text, "space")
    parse_space("a: {b: 1, c: [1, 2]}\nd: {b: 1}", "space")
