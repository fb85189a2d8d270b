"""A project is checked against what is searched and fixed before anything runs."""

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import PROJECT

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.project.objective import ProjectObjective
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.projects.spec import given_project
from mlflow_hpo.settings import read_settings
from mlflow_hpo.space import parse_space, space_text
from mlflow_hpo.study import checks
from mlflow_hpo.study.source import Given, find_source
from mlflow_hpo.study.workers import study_folder

ELASTICNET = str(PROJECT / "examples/projects/elasticnet")
RATES = {"alpha": {"type": "float", "low": 0.1, "high": 1.0}}
TYPED = """
name: typed
entry_points:
  main:
    parameters:
      rate: {type: float, default: 1}
      count: {type: int, default: 3}
      word: {default: "7"}
      place: {type: uri, default: "http://here/x"}
      needed: string
    command: "echo {rate} {count} {word} {place} {needed}"
  other: {command: "true"}
"""


@pytest.fixture
def typed(tmp_path: Path) -> str:
    (tmp_path / "typed").mkdir()
    (tmp_path / "typed" / "MLproject").write_text(TYPED)
    (tmp_path / "typed" / "script.sh").write_text("true")
    return str(tmp_path / "typed")


@contextmanager
def prepared(
    uri: str, space: Any, options: Mapping[str, Any] | None = None, **project: Any
) -> Iterator[Prepared]:
    asked = {
        "metric": "rmse",
        **(options or {}),
        "project": given_project(uri, env_manager="local", **project),
    }
    with study_folder() as folder:
        settings, given = read_settings(asked), Given(folder, space_text=space_text(space))
        source = find_source(settings, given)
        assert source.project is not None
        assert settings.max_epochs or checks.project_budget(source.project)
        yield source.project


def refusal(uri: str, space: Any, options: Mapping[str, Any] | None = None, **project: Any) -> str:
    with pytest.raises(ConfigError) as caught, prepared(uri, space, options, **project):
        pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_command_is_mlflows_with_defaults_types_and_quoting(typed: str) -> None:
    with prepared(typed, {"rate": [0.5, 1.0], "word": ["a b", "c"]}, parameters={"needed": "$x"}) as project:
        assert project.command({"rate": 0.5, "word": "a b"}) == "echo 0.5 3 'a b' http://here/x '$x'"
        assert project.constants == {"count": "3", "place": "http://here/x", "needed": "$x"}


def test_extra_parameters_follow_the_command_as_in_mlflow(typed: str) -> None:
    with prepared(typed, {"rate": [0.5, 1.0]}, parameters={"needed": "x", "more": "y z"}) as project:
        assert project.command({"rate": 0.5}).endswith("--more 'y z'")


def test_the_baseline_is_the_entry_points_defaults(typed: str) -> None:
    space = {
        "rate": {"type": "float", "low": 0.0, "high": 1.0},
        "count": [1, 3],
        "word": ["7", "8"],
        "needed": ["n"],
    }
    with prepared(typed, space) as project:
        model = ProjectObjective(project, Metric("rmse", False)).describe("typed", None)
    baseline = model.baseline(parse_space(str(space), "space"))
    assert baseline == {"rate": 1.0, "count": 3, "word": "7", "needed": "n"}
    assert isinstance(baseline["rate"], float)


def test_a_default_keeps_the_form_that_its_space_has(tmp_path: Path) -> None:
    parameters = "{a: {type: float, default: 1e-4}, b: {default: '007'}, c: {type: float, default: 8}}"
    text = f"entry_points: {{main: {{parameters: {parameters}, command: 'x'}}}}"
    (tmp_path / "MLproject").write_text(text)
    space = {"a": {"type": "float", "low": 1e-5, "high": 1.0}, "b": ["x", "y"], "c": [8, 16]}
    with prepared(str(tmp_path), space) as project:
        assert project.defaults == {"a": 0.0001, "b": "007", "c": 8}
        assert isinstance(project.defaults["c"], int)


def test_what_is_fixed_is_not_searched() -> None:
    space = {**RATES, "l1_ratio": [0.1, 0.9]}
    with prepared(ELASTICNET, space, parameters={"alpha": "0.3"}) as project:
        assert project.fixed == {"alpha": "0.3"}
        assert set(project.defaults) == {"l1_ratio"}
    assert "nothing to search" in refusal(ELASTICNET, RATES, parameters={"alpha": "0.3"})


def test_what_is_fixed_below_an_option_is_refused() -> None:
    space = {"l1_ratio": ["a", {"b": {"alpha": [0.1, 0.2]}}]}
    assert "'alpha' is below an option" in refusal(ELASTICNET, space, parameters={"alpha": "0.3"})


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (
            {"alfa": [1, 2]},
            "'alfa' is no parameter of entry point 'main': its parameters are alpha, l1_ratio",
        ),
        ({"alpha": [0.1, "x"]}, "space: alpha: MLproject declares type float, not 'x'"),
        ({"alpha": [True, False]}, "space: alpha: MLproject declares type float, not True"),
        (
            {"l1_ratio": [{"0.5": {"alpha": ["y", 1]}}]},
            "space: alpha: MLproject declares type float, not 'y'",
        ),
    ],
)
def test_a_space_that_does_not_fit_is_one_line(space: Any, words: str) -> None:
    assert words in refusal(ELASTICNET, space)


def test_types_of_mlproject_are_kept(typed: str) -> None:
    needed = {"parameters": {"needed": "x"}}
    assert "count: MLproject declares type int" in refusal(
        typed, {"count": {"type": "float", "low": 0.5, "high": 2.0}}, **needed
    )
    assert "place: MLproject declares type uri, not 'nowhere'" in refusal(
        typed, {"place": ["nowhere"]}, **needed
    )
    assert "-P: rate: MLproject declares type float, not 'abc'" in refusal(
        typed, {"count": [1, 2]}, parameters={"needed": "x", "rate": "abc"}
    )
    assert "missing parameters: 'needed'" in refusal(typed, {"count": [1, 2]})


def test_an_entry_point_without_parameters_takes_none_and_a_script_takes_any(typed: str) -> None:
    assert "entry point 'other': its parameters are none" in refusal(
        typed, {"a": [1, 2]}, entry_point="other"
    )
    with prepared(typed, {"a": [1, 2]}, entry_point="script.sh") as project:
        assert project.command({"a": 1}).endswith("script.sh --a 1")
        assert project.takes is None


def test_what_is_no_project_or_entry_point_is_one_line(tmp_path: Path) -> None:
    assert "Could not find nope among entry points ['main']" in refusal(ELASTICNET, RATES, entry_point="nope")
    assert "there is no such folder" in refusal(str(tmp_path / "nowhere"), RATES)
    (tmp_path / "MLproject").write_text("docker_env: {image: x}\nentry_points: {main: {command: 'true'}}")
    assert "docker_env" in refusal(str(tmp_path), {"a": [1]}, entry_point="x.sh")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"metric": ""}, "metric: name the metric"),
        ({"scheduler": "pbt", "max_epochs": 9}, "scheduler: 'pbt'"),
        ({"scheduler": "hyperband", "max_epochs": 9}, "take none, asha, median"),
        ({"scheduler": "asha"}, "scheduler: 'asha' needs max-epochs"),
        ({"early_stopping": 3}, "early-stopping: 3 needs max-epochs"),
        ({"model": "cnn"}, "model: 'cnn' is not for project 'elasticnet'"),
        ({"data": "digits"}, "data: 'digits' is not for projects"),
        ({"folds": 3}, "folds: 3 is not for projects"),
        ({"resource": "alpha"}, "resource: 'alpha' is the budget of a trial"),
        ({"resource": "epochs"}, "resource: 'epochs' is no parameter of entry point 'main'"),
        ({"resource": "l1_ratio"}, "max-epochs: give the largest l1_ratio"),
    ],
)
def test_settings_that_are_not_for_projects_are_refused_by_name(options: dict[str, Any], words: str) -> None:
    assert words in refusal(ELASTICNET, RATES, options)


def test_a_wrong_word_is_named_with_those_that_are_right() -> None:
    with pytest.raises(ConfigError, match=r"env-manager: .*not 'docker'"):
        read_settings({"metric": "rmse", "project": {"uri": ELASTICNET, "env_manager": "docker"}})
    with pytest.raises(ConfigError, match=r"at: .*not 'middle'"):
        read_settings({"metric": "rmse", "project": {"uri": ELASTICNET}, "at": "middle"})


def test_what_is_fetched_is_removed_afterwards(tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "project"), "zip", ELASTICNET)
    with prepared(archive, RATES) as project:
        assert Path(project.folder, "train.py").exists()
    assert not Path(project.folder).exists()


def test_a_worker_for_projects_loads_no_framework() -> None:
    with prepared(ELASTICNET, RATES) as project:
        code = (
            "import sys\n"
            "from mlflow_hpo.data import DataSpec\n"
            "from mlflow_hpo.worker.startup import warm_up\n"
            "from mlflow_hpo.objectives.spec import ObjectiveSpec\n"
            "from mlflow_hpo.metric import Metric\n"
            f"text = {project.text!r}\n"
            "spec = ObjectiveSpec('elasticnet', DataSpec(''), metric=Metric('rmse', False), project=text)\n"
            "warm_up(spec, 1)\n"
            "from mlflow_hpo.objectives.find import find_objective\n"
            "assert find_objective(spec).prepared.takes == ('alpha', 'l1_ratio')\n"
            "print([name for name in ('tensorflow', 'keras', 'sklearn', 'torch') if name in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
