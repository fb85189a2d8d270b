"""Spaces given from Python: all become the YAML that a study stores, and by it our space."""

import json
from pathlib import Path
from posixpath import normpath
from typing import Any

import numpy as np
import optuna
import pytest
import scipy.stats
from conftest import printed
from contracts import SPACE, space
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space import (
    Choice,
    Fixed,
    Float,
    Int,
    Option,
    Parameter,
    Space,
    dump_space,
    parse_space,
    space_text,
)

WORDS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=8) | st.sampled_from(
    [
        "yes",
        "1e-4",
        "null",
        "~",
        "2001-01-01",
        "1:30",
        "0x1f",
        "<<",
        "=",
        "true",
        "- a",
        "a: b",
        "#",
        "",
        "a\nb",
    ]
)
NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | WORDS
NAMES = st.from_regex(r"[\w\-./: ]{1,12}", fullmatch=True).filter(
    lambda name: normpath(name) == name != "." and not name.startswith(("/", ".."))  # as MLflow wants them
)


@st.composite
def ints(draw: st.DrawFn) -> Int:
    low, step = draw(st.integers(1, 10**6)), draw(st.integers(1, 50))
    log = step == 1 and draw(st.booleans())
    return Int(low=low, high=low + step * draw(st.integers(1, 99)), step=step, log=log)


@st.composite
def floats(draw: st.DrawFn) -> Float:
    low = draw(st.floats(1e-9, 1e9))
    step = draw(st.none() | st.floats(low * 1e-3, low))
    return Float(
        low=low, high=low * draw(st.floats(3, 9)), step=step, log=step is None and draw(st.booleans())
    )


def choices(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Choice]:
    with_space = st.builds(Option, SCALARS, below)
    options = st.builds(Option, SCALARS | st.lists(SCALARS, max_size=3)) | with_space
    return st.lists(options, min_size=1, max_size=4, unique_by=lambda o: json.dumps(o.value)).map(
        lambda found: Choice(
            tuple(o for i, o in enumerate(found) if Choice(tuple(found[:i])).encode(o.value) is None)
        )
    )


def spaces(depth: int) -> st.SearchStrategy[Space]:
    parameter: st.SearchStrategy[Parameter] = ints() | floats() | st.builds(Fixed, SCALARS)
    if depth:
        parameter = parameter | choices(spaces(depth - 1))
    return st.dictionaries(NAMES, parameter, min_size=1, max_size=4).map(Space).filter(_valid)


def _valid(known: Space) -> bool:
    """Whether no name is active twice."""
    seen: set[str] = set()
    for name, parameter in known.parameters.items():
        names = Space({name: parameter}).names()
        below = (
            [n for o in parameter.options if o.space for n in o.space.names()]
            if isinstance(parameter, Choice)
            else []
        )
        if names & seen or name in below:
            return False
        seen |= names
    return True


@given(spaces(2).filter(lambda s: s.leaves))
def test_a_space_survives_its_yaml(known: Space) -> None:
    found = parse_space(dump_space(known), "dumped")
    assert found == known
    assert list(found.parameters) == list(known.parameters)
    assert repr(found) == repr(known)  # 1 is not true, nor 1.0
    assert space_text(known) == space_text(found)


def test_a_space_of_every_kind_survives_its_yaml() -> None:
    assert parse_space(space_text(space()), "dumped") == space()


def test_a_file_keeps_its_own_text(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text("# mine\n" + SPACE)
    for path in (tmp_path / "s.yaml", str(tmp_path / "s.yaml")):
        assert space_text(path) == "# mine\n" + SPACE
    with pytest.raises(SpaceError, match=r"nowhere\.yaml' cannot be read"):
        space_text("nowhere.yaml")


OURS: list[tuple[Any, Parameter]] = [
    ([1, 2.5, "a", None, True], Choice((Option(1), Option(2.5), Option("a"), Option(None), Option(True)))),
    ((32, 64), Choice((Option(32), Option(64)))),
    (range(2, 9, 3), Choice((Option(2), Option(5), Option(8)))),
    (np.array([1, 2]), Choice((Option(1), Option(2)))),
    (np.logspace(-2, 0, 3), Choice((Option(0.01), Option(0.1), Option(1.0)))),
    ([np.float32(0.5), np.int64(3), np.bool_(True), np.str_("x")],
     Choice((Option(0.5), Option(3), Option(True), Option("x")))),
    ([(50,), [100, 50], np.array([7])], Choice((Option([50]), Option([100, 50]), Option([7])))),
    (["a", {"b": {"c": range(2)}}],
     Choice((Option("a"), Option("b", Space({"c": Choice((Option(0), Option(1)))}))))),
    (3, Fixed(3)),
    (np.float64(0.5), Fixed(0.5)),
    ("relu", Fixed("relu")),
    (None, Fixed(None)),
    ({"type": "float", "low": 1e-4, "high": np.float64(0.1), "log": True},
     Float(low=1e-4, high=0.1, log=True)),
    ({"type": "int", "low": np.int64(1), "high": 9, "step": 2}, Int(low=1, high=9, step=2)),
    (Float(low=0, high=1, step=0.25), Float(low=0, high=1, step=0.25)),
    (Int(low=1, high=9, log=True), Int(low=1, high=9, log=True)),
    (Choice((Option("a"),)), Choice((Option("a"),))),
    (Fixed(1), Fixed(1)),
]  # fmt: skip

SCIPYS: list[tuple[Any, Parameter]] = [
    (scipy.stats.uniform(0.1, 0.2), Float(low=0.1, high=0.3)),
    (scipy.stats.uniform(loc=-1, scale=4), Float(low=-1, high=3)),
    (scipy.stats.loguniform(1e-4, 1e-1), Float(low=1e-4, high=1e-1, log=True)),
    (scipy.stats.reciprocal(1, 100, scale=2), Float(low=2, high=200, log=True)),
    (scipy.stats.randint(2, 9), Int(low=2, high=8)),
    (scipy.stats.randint(2, 9, loc=1), Int(low=3, high=9)),
]

OPTUNAS: list[tuple[Any, Parameter]] = [
    (optuna.distributions.FloatDistribution(1e-4, 0.1, log=True), Float(low=1e-4, high=0.1, log=True)),
    (optuna.distributions.FloatDistribution(0, 1, step=0.1), Float(low=0, high=1, step=0.1)),
    (optuna.distributions.FloatDistribution(2, 2), Fixed(2.0)),
    (optuna.distributions.IntDistribution(1, 9), Int(low=1, high=9)),
    (optuna.distributions.IntDistribution(1, 9, step=2), Int(low=1, high=9, step=2)),
    (optuna.distributions.IntDistribution(1, 9, log=True), Int(low=1, high=9, log=True)),
    (
        optuna.distributions.CategoricalDistribution(["a", 1, None]),
        Choice(tuple(map(Option, ["a", 1, None]))),
    ),
]


@pytest.mark.parametrize(("given", "expected"), OURS + SCIPYS + OPTUNAS, ids=printed)
def test_a_hyperparameter_is_read(given: Any, expected: Parameter) -> None:
    found = parse_space(space_text({"before": [1, 2], "it": given}), "space")
    assert repr(found.parameters["it"]) == repr(expected)


DRAWN = [scipy.stats.randint(2, 9, loc=1), scipy.stats.reciprocal(1, 100, scale=2)]


@pytest.mark.parametrize("foreign", DRAWN, ids=printed)
def test_what_scipy_draws_is_in_the_space(foreign: Any) -> None:
    it = parse_space(space_text({"it": foreign}), "space").parameters["it"]
    assert isinstance(it, Float | Int)
    values = foreign.rvs(300).tolist()
    assert all(it.encode(v) is not None for v in values)
    if it.whole:
        assert {it.encode(v) for v in values} == {it.on_grid(i, 0) for i in range(it.grid_size(0))}


FAULTS: list[tuple[Any, str]] = [
    (3, "space: 3 is of type int: expected a YAML file, a Space, a dict of hyperparameters"),
    ({1: [1, 2]}, "space: 1 is no name for a hyperparameter"),
    ({"a": {1, 2}}, "space: a: {1, 2} is of type set: expected a number"),
    ({"a": [1, 1j]}, "space: a: 1j is a complex number"),
    ({"a": [1, float("nan")]}, "space: a[1]: nan is not a finite number"),
    ({"a": [1, 1]}, "space: a[1]: option 1 is given twice"),
    ({"a": [1, {"b": {"c": {3}}}]}, "space: a[1].b.c: {3} is of type set"),
    ({"a": {"low": 1, "high": 2}}, "space: a: no type: expected type float, int, normal"),
    ({"a": {"type": "float", "low": 3, "high": 2}}, "space: a: low must be below high, but 3.0 >= 2.0"),
    ({"a": {"type": "int", "low": 1.5, "high": 2}}, "space: a.low: must be a whole number"),
    ({"a": {"type": "int", "low": [1], "high": 2}}, "space: a.low: [1] is of type list"),
    ({"a": scipy.stats.beta(1, 2)}, "space: a: scipy's beta has no place in a space: known are uniform"),
    ({"a": scipy.stats.lognorm(1, loc=3)}, "space: a: scipy's lognorm is shifted by loc"),
    ([{"a": [1, 2]}, 3], "space: 3 in the list is no dict of hyperparameters"),
    ({"a": scipy.stats.loguniform(1, 9, loc=3)}, "space: a: scipy's loguniform is shifted by loc"),
    ({"a": optuna.samplers.TPESampler()}, "space: a: Optuna's TPESampler is no distribution"),
]  # fmt: skip


@pytest.mark.parametrize(("given", "message"), FAULTS, ids=[message for _, message in FAULTS])
def test_a_fault_is_named_with_its_hyperparameter(given: Any, message: str) -> None:
    with pytest.raises(SpaceError) as caught:
        space_text(given)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_every_fault_of_ours_is_named() -> None:
    with pytest.raises(SpaceError) as caught:
        space_text({"a": [], "b": {"type": "int", "low": 5, "high": 2}})
    assert [line.split(": ")[1] for line in str(caught.value).splitlines()] == ["a", "b"]


def test_a_space_that_holds_itself_is_refused() -> None:
    endless: list[Any] = [1]
    endless.append(endless)
    with pytest.raises(SpaceError, match="holds itself"):
        space_text({"a": endless})
