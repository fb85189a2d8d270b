"""Builds a project's environment as MLflow's local backend does before it runs the command."""

from pathlib import Path
from typing import Any

from mlflow_hpo.errors import ConfigError

DEFAULTS = {"conda": "conda", "python": "virtualenv"}  # MLflow's kind of environment -> what builds it


def activation(project: Any, env_manager: str | None, folder: str) -> str:
    """Builds the environment unless it exists, and returns the shell command that activates it.

    Args:
        project: MLflow's `Project`.
        env_manager: as for `mlflow run`.
        folder: the project's.

    Raises:
        ConfigError: this kind of environment cannot be used here.
        Exception: whatever MLflow raises if it cannot be built.
    """
    from mlflow.projects import env_type

    if project.docker_env:
        raise ConfigError(
            "project: its docker_env is for one container, and its trials run as processes here: "
            "give a conda_env or python_env"
        )
    is_python = project.env_type == env_type.PYTHON
    manager = env_manager or DEFAULTS["python" if is_python else "conda"]
    if manager == "local":
        return ""
    if manager == "conda":
        if is_python:
            raise ConfigError("env-manager: 'conda' cannot build a python_env: give uv, virtualenv or local")
        return _conda(project)
    return _virtualenv(project, manager, Path(folder), is_python)


def _conda(project: Any) -> str:
    from mlflow.utils.conda import get_or_create_conda_env

    return " && ".join(get_or_create_conda_env(project.env_config_path).get_activate_command())


def _virtualenv(project: Any, manager: str, folder: Path, is_python: bool) -> str:
    """Builds with `virtualenv` or `uv`, under a name made from the contents: other runs share it."""
    from mlflow.utils.environment import _PythonEnv
    from mlflow.utils.virtualenv import _create_virtualenv, _get_mlflow_virtualenv_root, _get_virtualenv_name

    if not is_python:
        python_env = _PythonEnv.from_conda_yaml(project.env_config_path)
    elif project.env_config_path:
        python_env = _PythonEnv.from_yaml(project.env_config_path)
    else:
        python_env = _PythonEnv()
    env_dir = Path(_get_mlflow_virtualenv_root()) / _get_virtualenv_name(python_env, folder)
    return str(
        _create_virtualenv(
            local_model_path=folder,
            python_env=python_env,
            env_dir=env_dir,
            env_manager=manager,  # type: ignore[arg-type]
        )
    )
