"""Prepares a project to run, once per study: MLflow's own functions fetch, check and build it."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import HIDDEN, ConfigError, HpoError, one_line
from mlflow_hpo.projects import parameters
from mlflow_hpo.projects.credentials import bare_address
from mlflow_hpo.projects.environment import activation
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.projects.spec import ProjectSpec
from mlflow_hpo.space import Space

ADDRESS = (":", "@", ".git", ".zip")  # what one of git's or an archive's has in it
LONGEST = 600  # characters of MLflow's message


def prepare(spec: ProjectSpec, space: Space, resource: str, folder: Path) -> Prepared:
    """Fetches the project, checks the space against its entry point, and builds its environment.

    Args:
        resource: the parameter that is a trial's budget; empty if the budget is in steps.
        folder: for downloads; the caller removes it.

    Raises:
        ConfigError: the project cannot be fetched or built, or does not take a name or a value.
    """
    _check_spec(spec)
    with _config_errors(f"project {spec.uri!r} cannot be run"), _temporary_files_in(folder):
        project, project_folder, entry = _fetch(spec, {*space.names(), resource} - {""})
        parameters.check_names(entry, space, spec.parameters, resource)
        parameters.check_values(entry, space, spec.parameters)
        fixed = _download(entry, spec.parameters, str(folder))
        defaults = parameters.defaults(entry, space)
        constants = parameters.constants(entry, space, spec.parameters, resource)
    with (
        _config_errors(f"the environment of project {spec.uri!r} cannot be built"),
        _temporary_files_in(folder),
    ):
        activate = activation(project, spec.env_manager, project_folder)
    return Prepared(
        folder=project_folder,
        entry_point=spec.entry_point,
        activate=activate,
        resource=resource,
        storage=str(folder),
        fixed=fixed,
        constants=constants,
        defaults=defaults,
        takes=None if parameters.is_script(entry) else tuple(entry.parameters),
    )


def _check_spec(spec: ProjectSpec) -> None:
    """Refuses what is neither a folder nor an address, and values whose password no study stores."""
    root = spec.uri.partition("#")[0]
    if not (os.path.exists(root) or any(mark in root for mark in ADDRESS)):  # noqa: PTH110
        raise ConfigError(f"project {spec.uri!r}: there is no such folder, and it is no address of git's")
    for name, value in spec.parameters.items():
        if HIDDEN in value:
            raise ConfigError(
                f"parameter {name} of project {spec.name!r}: {value!r} had a password, which no "
                "study stores: have the project read it from the environment"
            )


def budget(prepared: Prepared) -> int | None:
    """Returns the default of the budget's parameter; None if it is no whole number above 0."""
    from mlflow.projects.utils import load_project

    entry: Any = load_project(prepared.folder).get_entry_point(prepared.entry_point)
    default = entry.parameters[prepared.resource].default if prepared.resource in entry.parameters else None
    text = str(default)
    return int(text) if text.isdecimal() and int(text) else None


def source_tags(spec: ProjectSpec, prepared: Prepared) -> Mapping[str, str]:
    """Returns the tags that `mlflow run` gives a project's run."""
    import mlflow
    from mlflow.projects.utils import _is_valid_branch_name
    from mlflow.utils.git_utils import get_git_commit, get_git_repo_url

    folder, parent = prepared.folder, mlflow.active_run()
    branch = spec.version if spec.version and _is_valid_branch_name(folder, spec.version) else None
    tags = {
        "mlflow.source.name": spec.uri,
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": spec.entry_point,
        "mlflow.source.git.commit": get_git_commit(folder),
        "mlflow.source.git.repoURL": get_git_repo_url(folder),
        "mlflow.source.git.branch": branch,
        "mlflow.parentRunId": parent.info.run_id if parent else None,
    }
    return {key: value for key, value in tags.items() if value}


def commit_of(prepared: Prepared, folder: Path) -> str:
    """Returns the commit of a project that was fetched into the folder; empty for a user's folder."""
    from mlflow.utils.git_utils import get_git_commit

    fetched = Path(prepared.folder).is_relative_to(folder)
    return (get_git_commit(prepared.folder) or "") if fetched else ""


def _fetch(spec: ProjectSpec, searched: set[str]) -> tuple[Any, str, Any]:
    """Returns MLflow's `Project`, its folder, and the entry point."""
    from mlflow.projects.utils import fetch_and_validate_project, load_project

    given = {**dict.fromkeys(searched, ""), **spec.parameters}
    with bare_address(spec.uri) as uri:
        folder = fetch_and_validate_project(uri, spec.version, spec.entry_point, given)
    project = load_project(folder)
    return project, folder, project.get_entry_point(spec.entry_point)


def _download(entry: Any, fixed: Mapping[str, str], storage: str) -> dict[str, str]:
    """Returns the fixed values with absolute paths; downloads remote ones once, not for each trial."""
    names = list(entry.parameters)
    return dict(fixed) | {
        name: entry.parameters[name].compute_value(value, storage, names.index(name))
        for name, value in fixed.items()
        if name in names
    }


@contextmanager
def _config_errors(what: str) -> Iterator[None]:
    """Turns whatever MLflow, git or a builder raises about the user's project into one line."""
    try:
        yield
    except HpoError:
        raise
    except Exception as error:
        raise ConfigError(f"{what}: {one_line(error, LONGEST)}") from error


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """Makes MLflow clone into this folder: it would never remove its temporary folders."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
