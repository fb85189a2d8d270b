"""Spaces as people write them: nested, with objects, priors and odds, as lists of grids, or hardly any."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras_tuner
import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from mlflow_hpo import tune
from mlflow_hpo.objectives.given_config import given_config
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.space import Choice, Normal, changed, converted, dump_space, parse_space, paths_of
from mlflow_hpo.user_code import save_code, use_contents

NESTED = "units: [2, 3]\nopt:\n  rate: {type: float, low: 0, high: 1}\n  inner: {deep: 7}"


def given_to_the_user(space: Any, raws: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """What the user's code gets for the raw values of a space from Python."""
    text, options = converted(space)
    known = parse_space(text, "space")
    use_contents(folder)
    digest = save_code(options, folder, "space") if options else ""
    spec = ObjectiveSpec("x", data=None, options=digest, paths=tuple(paths_of(known).values()))  # type: ignore[arg-type]
    return given_config(spec, known.config(raws))


def test_nested_mappings_are_nested_for_the_users_code(tmp_path: Path) -> None:
    known = parse_space(NESTED, "s")
    assert known.names() == {"units", "opt.rate", "opt.inner.deep"}
    assert parse_space(dump_space(known), "s") == known
    space = {"units": [2, 3], "opt": {"rate": scipy.stats.uniform(0, 1), "inner": {"deep": 7}}}
    found = given_to_the_user(space, {"units": 1, "opt.rate": 0.25}, tmp_path)
    assert found == {"units": 3, "opt": {"rate": 0.25, "inner": {"deep": 7}}}


def test_values_arrive_as_they_were_given(tmp_path: Path) -> None:
    options = [(1, 2), [1, 2, 3], True, np.float64(0.5), StandardScaler(), {"a": 1}, np.sin, SVC(), SVC()]
    for raw, value in enumerate(options):
        found = given_to_the_user({"x": options}, {"x": raw}, tmp_path)["x"]
        assert type(found) is (float if isinstance(value, np.float64) else type(value))
        assert repr(found) == repr(value) or found == value


def test_an_object_is_a_copy_of_its_own(tmp_path: Path) -> None:
    options = [StandardScaler(), SVC()]
    one, other = (given_to_the_user({"x": options}, {"x": 1}, tmp_path)["x"] for _ in range(2))
    assert one is not other


def test_one_and_one_point_zero_are_one_point() -> None:
    (choice,) = parse_space("x: [1, 1.0, 2, true]", "s").parameters.values()
    assert isinstance(choice, Choice)
    assert [repr(o.value) for o in choice.options] == ["1", "2", "True"]
    assert choice.encode(1.0) == 0


def test_a_list_of_grids_is_a_choice_between_them(tmp_path: Path) -> None:
    grids = [{"clf": [SVC()], "clf__C": [1, 10]}, {"clf": [LogisticRegression()], "scale": ["passthrough"]}]
    found = given_to_the_user(grids, {"clf": 0, "clf|0|clf__C": 1}, tmp_path)
    assert (type(found["clf"]), found["clf__C"], len(found)) == (SVC, 10, 2)
    assert given_to_the_user(grids, {"clf": 1, "clf|1|scale": 0}, tmp_path)["scale"] == "passthrough"


def test_grids_that_nothing_tells_apart_are_numbered(tmp_path: Path) -> None:
    grids = [{"kernel": ["rbf"], "gamma": [1, 2]}, {"kernel": ["rbf"], "C": [3, 4]}]
    found = given_to_the_user(grids, {"grid": 1, "grid|1|kernel": 0, "grid|1|C": 1}, tmp_path)
    assert found == {"kernel": "rbf", "C": 4}


PRIORS = [
    Normal(mean=3, std=2),
    Normal(mean=0, std=1, log=True),
    Normal(mean=10, std=4, step=0.5),
    Normal(mean=1, std=1, log=True, step=1),
]


@pytest.mark.parametrize("prior", PRIORS, ids=str)
@given(part=st.floats(0, 1))
def test_a_value_of_a_prior_is_read_back(prior: Normal, part: float) -> None:
    raw = prior.from_unit(part)
    value = prior.decode(raw)
    assert prior.low <= raw <= prior.high
    again = prior.encode(value)
    assert again is not None
    assert prior.decode(again) == value
    assert prior.step is None or value / prior.step == round(value / prior.step)


def test_a_prior_is_drawn_as_it_says() -> None:
    parts = np.linspace(0.001, 0.999, 999)
    drawn = [PRIORS[0].decode(PRIORS[0].from_unit(part)) for part in parts]
    assert abs(np.mean(drawn) - 3) < 0.01
    assert abs(np.std(drawn) - 2) < 0.05
    assert all(abs(PRIORS[0].unit(PRIORS[0].from_unit(part)) - part) < 1e-9 for part in parts)


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (scipy.stats.norm(3, 2), {"mean": 3.0, "std": 2.0, "log": False}),
        (scipy.stats.lognorm(0.5, scale=np.exp(2)), {"mean": 2.0, "std": 0.5, "log": True}),
    ],
)
def test_scipys_priors_are_read(prior: Any, expected: dict[str, Any]) -> None:
    (found,) = parse_space(converted({"x": prior})[0], "s").parameters.values()
    assert isinstance(found, Normal)
    assert {name: getattr(found, name) for name in expected} == pytest.approx(expected)


def test_odds_are_kept() -> None:
    (choice,) = parse_space("x: {type: choice, options: [a, b, c], odds: [1, 2, 7]}", "s").parameters.values()
    assert isinstance(choice, Choice)
    drawn = [choice.from_unit(part) for part in np.linspace(0.0005, 0.9995, 1000)]
    assert [drawn.count(index) for index in range(3)] == [100, 200, 700]
    assert [choice.from_unit(choice.unit(index)) for index in range(3)] == [0, 1, 2]


def test_what_is_named_changes_a_space_wherever_it_stands() -> None:
    own = parse_space("units: [1, 2]\nopt:\n  - adam\n  - sgd: {momentum: [0.1, 0.9]}", "s")
    new = changed(own, parse_space("momentum: 0.5\nunits: [3, 4]", "s"))
    assert dump_space(new) == dump_space(
        parse_space("units: [3, 4]\nopt:\n  - adam\n  - sgd: {momentum: 0.5}", "s")
    )


@pytest.mark.parametrize("space", [{}, None, {"max_depth": 3}], ids=str)
def test_nothing_to_search_is_one_config(
    space: Any, monkeypatch: pytest.MonkeyPatch, connection: Any
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.uri)
    study = tune(DecisionTreeClassifier(), space, load_iris(return_X_y=True), folds=3, progress=False)
    assert [trial.number for trial in study.trials] == [0]
    assert study.best_config == (space or {})
    x, y = load_iris(return_X_y=True)
    assert abs(study.best_value - cross_val_score(DecisionTreeClassifier(), x, y, cv=3).mean()) < 0.1


def test_keras_tuners_hyperparameters_are_a_space(tmp_path: Path) -> None:
    hp = keras_tuner.HyperParameters()
    hp.Int("units", 4, 8)
    hp.Choice("kind", ["a", "b"])
    from mlflow_hpo.study.from_python import with_space
    from mlflow_hpo.study.source import Given

    found = parse_space(with_space(Given(tmp_path), hp).space_text, "s")
    assert found.names() == {"units", "kind"}
