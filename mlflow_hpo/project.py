"""Tuning an MLflow project: what `mlflow run --backend hpo`, the command line and Python have in common."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from mlflow_hpo.api import TunedStudy
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.inputs import Request
from mlflow_hpo.projects import given_project
from mlflow_hpo.space import Space, parse_space, space_text
from mlflow_hpo.space.dump import dump_space
from mlflow_hpo.study.lifecycle import begin


def tune_project(
    uri: str,
    space: Any,
    metric: str,
    *,
    entry_point: str = "main",
    parameters: Mapping[str, Any] | None = None,
    version: str | None = None,
    env_manager: str | None = None,
    at: str = "last",
    progress: bool = True,
    **settings: Any,
) -> TunedStudy:
    """Search the parameters of a project's entry point; each trial is a process on a nested run of its own.

    Args:
        uri, entry_point, version, env_manager: as for `mlflow.run`.
        space: a YAML file, or a dict of lists and distributions, over the entry point's parameters.
        metric: what the project logs and is to be optimised.
        parameters: those that are fixed; they are not searched, whatever the space says.
        at: which value of the metric counts, the `last` or the `best`.
        progress: whether to show what happens.
        settings: the command line's options, with underscores.

    Raises:
        HpoError: what was given is wrong, or the study could not go on.
    """
    fixed = {name: str(value) for name, value in (parameters or {}).items()}
    project = given_project(
        uri, entry_point=entry_point, parameters=fixed, version=version, env_manager=env_manager, at=at
    )
    request = project_request(project, {**settings, "metric": metric, "space": space})
    study = begin(request, Console(quiet=not progress))
    return TunedStudy(study, {}, tempfile.TemporaryDirectory(prefix="mlflow-hpo-"))


def project_request(project: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
    """A study of a project, checked as far as nothing has to be fetched.

    Args:
        project: see `given_project`.
        options: of the study; its `space` may be a file or names to ranges.

    Raises:
        ConfigError: something is wrong with them.
    """
    given = options.get("space") or None
    options = {**options, "project": project}
    if given is None:
        return Request.from_options(options)
    text = space_text(given)
    source = str(given) if isinstance(given, str | Path) else "space"
    searched = _without(parse_space(text, source), project.get("parameters", {}))
    if searched is None and isinstance(given, str | Path):
        return Request.from_options({**options, "space": str(given)})
    return Request.from_options({**options, "space": None}, None, dump_space(searched) if searched else text)


def _without(space: Space, fixed: Mapping[str, str]) -> Space | None:
    """The space without what is fixed; None where that is all of it."""
    kept = {name: p for name, p in space.parameters.items() if name not in fixed}
    if len(kept) == len(space.parameters) and not space.names() & set(fixed):
        return None
    if inner := sorted(Space(kept).names() & set(fixed)):
        raise ConfigError(
            f"space: {inner[0]!r} is below an option of another parameter, and cannot be fixed by -P"
        )
    if not kept:
        raise ConfigError("space: it has nothing to search beside what -P fixes")
    return Space(kept)
