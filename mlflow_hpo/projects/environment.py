"""A project's environment, built as MLflow's local backend builds it before it runs the command."""

from pathlib import Path
from typing import Any

from mlflow_hpo.errors import ConfigError

DEFAULTS = {"conda": "conda", "python": "virtualenv"}  # MLflow's kinds of environment -> what builds them


def activation(project: Any, env_manager: str | None, folder: str) -> str:
    """Build the environment, unless it is there already; gives the shell command that activates it.

    Args:
        project: MLflow's `Project`.
        env_manager: as for `mlflow run`.

    Raises:
        ConfigError: this kind cannot run here.
        Exception: whatever MLflow raises where it cannot be built.
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
    """With `virtualenv` or `uv`; named by what is in it, so that other runs of the project share it."""
    from mlflow.utils.environment import _PythonEnv
    from mlflow.utils.virtualenv import _create_virtualenv, _get_mlflow_virtualenv_root, _get_virtualenv_name

    if not is_python:
        wanted = _PythonEnv.from_conda_yaml(project.env_config_path)
    elif project.env_config_path:
        wanted = _PythonEnv.from_yaml(project.env_config_path)
    else:
        wanted = _PythonEnv()
    place = Path(_get_mlflow_virtualenv_root()) / _get_virtualenv_name(wanted, folder)
    return str(
        _create_virtualenv(
            local_model_path=folder,
            python_env=wanted,
            env_dir=place,
            env_manager=manager,  # type: ignore[arg-type]
        )
    )
