"""Writes the commands to use next: to see a study, rank it, go on with it, register and serve its model."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING

from mlflow_hpo.errors import HIDDEN, without_passwords
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import OWN_LOOP

if TYPE_CHECKING:
    from mlflow_hpo.store.registrations import Registration

EXAMPLE_NAME = "NAME"


def rank_command(run_id: str) -> str:
    """Returns the command that ranks a study."""
    return f"mlflow-hpo report {run_id}"


def resume_command(info: StudyInfo, run_id: str) -> str:
    """Returns the command that goes on with a study."""
    if info.settings.model == OWN_LOOP:
        return f"mlflow_hpo.open_study(resume={run_id!r})"
    return _in_python(info, run_id) if info.given_in_python else f"mlflow-hpo resume {run_id}"


def register_command(
    info: StudyInfo, run_id: str, name: str = EXAMPLE_NAME, alias: str = "", force: bool = False
) -> str:
    """Returns the command that registers a study's best model.

    Args:
        alias: empty: the study's.
    """
    other = alias if alias != info.settings.alias else ""
    if info.given_in_python:
        options: dict[str, str | bool] = {"register": name, "alias": other, "force": force}
        return _in_python(info, run_id, **{key: value for key, value in options.items() if value})
    more = (f" --alias {quote(other)}" if other else "") + (" --force" if force else "")
    return f"{rank_command(run_id)} --register {quote(name)}{more}"


def _in_python(info: StudyInfo, run_id: str, **options: str | bool) -> str:
    """Returns the call that gives a study again what Python gave it: no command can."""
    if info.settings.target_column:
        options = {"target_column": info.settings.target_column, **options}
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    return f"mlflow_hpo.tune(model, space, data, resume={run_id!r}{given})"


def next_commands(
    info: StudyInfo, uri: str, experiment_id: str, run_id: str, has_model: bool = True
) -> list[tuple[str, str]]:
    """Returns what to do with a study when its search is over: (purpose, command) pairs, in order."""
    steps = [*see_commands(uri, experiment_id, run_id), ("rank the trials", rank_command(run_id))]
    if not has_model:
        return steps
    registers = registry_commands(info, run_id, None)
    return [*steps, *(registers[1:] if info.settings.register_as else registers)]


def see_commands(uri: str, experiment_id: str, run_id: str) -> list[tuple[str, str]]:
    """Returns how to see a study: (purpose, command) pairs."""
    shown = without_passwords(uri)
    hint = f" ({HIDDEN} stands for its password)" if shown != uri else ""
    page = f"/#/experiments/{experiment_id}/runs/{run_id}"
    look = f"mlflow ui --backend-store-uri {quote(shown)}   # then open http://127.0.0.1:5000{page}"
    return [
        (f"name the tracking store{hint}", f"export MLFLOW_TRACKING_URI={quote(shown)}"),
        ("see the study", shown.rstrip("/") + page if uri.startswith("http") else look),
    ]


def registry_commands(info: StudyInfo, run_id: str, last: Registration | None) -> list[tuple[str, str]]:
    """Returns how to register and serve the best model: (purpose, command) pairs.

    Args:
        last: the outcome of the last attempt to register it; None: there was none.
    """
    if last and last.version:
        return [("serve it", serve_command(last.uri))]
    name, alias = (
        (last.name, last.alias) if last else (info.settings.register_as or EXAMPLE_NAME, info.settings.alias)
    )
    purpose = "register it all the same" if last else "register the best model"
    register = register_command(info, run_id, name, alias, force=last is not None)
    return [(purpose, register), ("serve it", serve_command(f"models:/{name}@{alias}"))]


def serve_command(model: str) -> str:
    """Returns the command that serves a registered model."""
    return f"mlflow models serve -m {quote(model)} --env-manager local --port 5001"
