"""MLflow's private names that we lean on: a version of MLflow that moves one is noticed by the name."""

import inspect
from importlib import import_module
from pathlib import Path

import pytest
from test_layers import FILES, imports
from test_project_git import commit, git

PRIVATE = sorted(
    {name for file in FILES for name in imports(file) if name.startswith("mlflow.") and "._" in name}
)


def test_few_private_names_are_leant_on() -> None:
    assert [name.rpartition(".")[2] for name in PRIVATE] == [
        "_is_valid_branch_name",
        "_active_run_stack",
        "_PythonEnv",
        "_create_virtualenv",
        "_get_mlflow_virtualenv_root",
        "_get_virtualenv_name",
    ]


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_name_is_where_it_was(name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute), f"MLflow has no {name} any more"


def test_an_environment_is_named_by_its_contents(tmp_path: Path) -> None:
    from mlflow.utils.environment import _PythonEnv
    from mlflow.utils.virtualenv import _get_mlflow_virtualenv_root, _get_virtualenv_name

    python, conda = tmp_path / "python_env.yaml", tmp_path / "conda.yaml"
    python.write_text("python: '3.11.7'\nbuild_dependencies: [pip==24.0]\ndependencies: [numpy]\n")
    conda.write_text("dependencies: [python=3.11.7, pip=24.0, {pip: [numpy]}]\n")
    wanted = [_PythonEnv.from_yaml(python), _PythonEnv.from_conda_yaml(conda)]
    assert [(env.python, env.dependencies) for env in wanted] == [("3.11.7", ["numpy"])] * 2
    names = [_get_virtualenv_name(env, tmp_path) for env in (*wanted, _PythonEnv())]
    assert names[0] == names[1] != names[2]
    assert Path(_get_mlflow_virtualenv_root()).is_absolute()


def test_an_environment_can_still_be_asked_for_as_we_do() -> None:
    from mlflow.utils.virtualenv import _create_virtualenv

    inspect.signature(_create_virtualenv).bind(
        local_model_path=None, python_env=None, env_dir=None, env_manager="uv"
    )


def test_a_branch_is_told_from_a_commit(tmp_path: Path) -> None:
    from mlflow.projects.utils import _is_valid_branch_name

    git(tmp_path, "init", "-q", "-b", "trunk")
    (tmp_path / "file").write_text("")
    made = commit(tmp_path)
    assert _is_valid_branch_name(str(tmp_path), "trunk")
    assert not _is_valid_branch_name(str(tmp_path), made)
