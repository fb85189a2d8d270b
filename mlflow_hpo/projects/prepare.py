"""Makes a project ready to run, once for a study: MLflow's own functions fetch, check and build."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import ConfigError, HpoError, one_line
from mlflow_hpo.projects import parameters
from mlflow_hpo.projects.environment import activation
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.projects.spec import ProjectSpec
from mlflow_hpo.space import Space

LONGEST = 600  # characters of MLflow's own words


def prepare(spec: ProjectSpec, space: Space, resource: str, folder: Path) -> Prepared:
    """Fetch the project, check what is searched against its entry point, and build its environment.

    Args:
        resource: the parameter that is the budget; empty where steps are.
        folder: for what is fetched; whoever gives it removes it.

    Raises:
        ConfigError: it cannot be had, or does not take what is searched or fixed.
    """
    with _said(f"project {spec.uri!r} cannot be run"), _temporary(folder):
        project, place, entry = _fetched(spec, {*space.names(), resource} - {""})
        parameters.check_names(entry, space, spec.parameters, resource)
        parameters.check_values(entry, space, spec.parameters)
        fixed = _resolved(entry, spec.parameters, str(folder))
        known = parameters.defaults(entry, space)
        constants = parameters.constants(entry, space, spec.parameters, resource)
    with _said(f"the environment of project {spec.uri!r} cannot be built"), _temporary(folder):
        activate = activation(project, spec.env_manager, place)
    return Prepared(
        folder=place,
        entry_point=spec.entry_point,
        activate=activate,
        at=spec.at,
        resource=resource,
        storage=str(folder),
        fixed=fixed,
        constants=constants,
        defaults=known,
        takes=None if parameters.is_script(entry) else tuple(entry.parameters),
    )


def budget(prepared: Prepared) -> int | None:
    """The default of the parameter that is the budget, where it is a whole number."""
    from mlflow.projects.utils import load_project

    entry: Any = load_project(prepared.folder).get_entry_point(prepared.entry_point)
    default = entry.parameters[prepared.resource].default if prepared.resource in entry.parameters else None
    text = str(default)
    return int(text) if text.isdecimal() and int(text) else None


def source_tags(spec: ProjectSpec, prepared: Prepared) -> Mapping[str, str]:
    """What `mlflow run` tags a project's run with."""
    import mlflow
    from mlflow.projects.utils import _is_valid_branch_name
    from mlflow.utils.git_utils import get_git_commit, get_git_repo_url

    place, around = prepared.folder, mlflow.active_run()
    branch = spec.version if spec.version and _is_valid_branch_name(place, spec.version) else None
    found = {
        "mlflow.source.name": spec.uri,
        "mlflow.source.type": "PROJECT",
        "mlflow.project.entryPoint": spec.entry_point,
        "mlflow.source.git.commit": get_git_commit(place),
        "mlflow.source.git.repoURL": get_git_repo_url(place),
        "mlflow.source.git.branch": branch,
        "mlflow.parentRunId": around.info.run_id if around else None,
    }
    return {key: value for key, value in found.items() if value}


def commit_of(prepared: Prepared, folder: Path) -> str:
    """Returns the commit of a project that was fetched into the folder; empty for a folder of the user's."""
    from mlflow.utils.git_utils import get_git_commit

    fetched = Path(prepared.folder).is_relative_to(folder)
    return (get_git_commit(prepared.folder) or "") if fetched else ""


def _fetched(spec: ProjectSpec, searched: set[str]) -> tuple[Any, str, Any]:
    """MLflow's `Project`, its folder, and the entry point."""
    from mlflow.projects.utils import fetch_and_validate_project, load_project

    given = {**dict.fromkeys(searched, ""), **spec.parameters}
    place = fetch_and_validate_project(spec.uri, spec.version, spec.entry_point, given)
    project = load_project(place)
    return project, place, project.get_entry_point(spec.entry_point)


def _resolved(entry: Any, fixed: Mapping[str, str], storage: str) -> dict[str, str]:
    """What is fixed, with paths made full and remote ones fetched: once, not for each trial."""
    every = list(entry.parameters)
    known = {
        k: entry.parameters[k].compute_value(v, storage, every.index(k))
        for k, v in fixed.items()
        if k in every
    }
    return {**fixed, **known}


@contextmanager
def _said(what: str) -> Iterator[None]:
    """Whatever MLflow, git or a builder raises about the user's project, in one line."""
    try:
        yield
    except HpoError:
        raise
    except Exception as error:
        raise ConfigError(f"{what}: {one_line(error, LONGEST)}") from error


@contextmanager
def _temporary(folder: Path) -> Iterator[None]:
    """MLflow clones into temporary folders that it never removes; these go with the study's."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
