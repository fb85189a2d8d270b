"""The options of commands: one for each setting, those of a project, and what several commands share."""

from collections.abc import Callable
from typing import Any

import click
from typing_extensions import override

from mlflow_hpo.settings import OPTIONS

SWITCHES = ("--force", "--dry-run", "--keep-data")  # a word may follow, as MLproject passes them
SWITCH = "[true|false]"

PROJECT_OPTIONS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("--project",), {"help": "MLflow project to tune instead of a model: what `mlflow run` takes."}),
    (("--entry-point", "-e"), {"help": "Entry point of the project; without it: main."}),
    (("--param", "-P"), {"multiple": True, "help": "NAME=VALUE: fixed, not searched. Of the project."}),
    (("--version", "-v"), {"help": "Commit or branch of the project, from git."}),
    (("--env-manager",), {"help": "local, virtualenv, uv or conda; without it: by the project's files."}),
]


def study_options(with_defaults: bool) -> Callable[[Any], Any]:
    """Adds an option for each setting; without defaults, one that is not given is None."""

    def decorate(function: Any) -> Any:
        for name, field in reversed(OPTIONS.items()):
            if name != "project":
                default = default_text(name) if with_defaults else None
                how: dict[str, Any] = {"default": default, "show_default": bool(default)} | _metavar(name)
                function = click.option(_flag(name), help=field.description, **how)(function)
        return function

    return decorate


def default_text(name: str) -> str:
    """Returns a setting's default as MLproject passes it: empty for none."""
    default = OPTIONS[name].default
    return "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _metavar(name: str) -> dict[str, str]:
    return {"metavar": SWITCH} if _flag(name) in SWITCHES else {}


def help_of(name: str) -> str:
    """Returns what a setting is for."""
    return str(OPTIONS[name].description)


def project_options(function: Any) -> Any:
    """Adds the options that name a project to tune, as `mlflow run` has them."""
    for names, how in reversed(PROJECT_OPTIONS):
        function = click.option(*names, **how)(function)
    return function


class Size(click.IntRange):
    """A whole number of at least 1; blank, as MLproject passes it, is none."""

    def __init__(self) -> None:
        super().__init__(min=1)

    @override
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return None if value == "" else super().convert(value, param, ctx)


TRUST = click.option(
    "--trust", default="", metavar="DIGEST", help="Run the code of a study that another began, by its digest."
)
ANY_USER = click.option("--any-user", is_flag=True, help="latest is the newest study, whoever began it.")


class Switching(click.Command):
    """A command whose switches may be followed by true or false; alone they mean true."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Joins each switch with its word, so that no other argument is taken for that."""
        joined = list[str]()
        for word in args:
            if joined and joined[-1] in SWITCHES and word.lower() in ("true", "false", ""):
                joined[-1] += f"={word}"
            else:
                joined.append(word)
        return super().parse_args(ctx, [f"{w}=true" if w in SWITCHES else w for w in joined])


def given_project_of(options: dict[str, Any]) -> Any:
    """Takes the project's options out of the others, and gives the project; None where there is none."""
    from mlflow_hpo.projects.spec import given_project

    uri, pairs = options.pop("project"), options.pop("param")
    rest = {name: options.pop(name) for name in ("entry_point", "version", "env_manager")}
    if not uri:
        if strange := next((name for name, value in {**rest, "param": pairs}.items() if value), None):
            raise click.UsageError(f"--{strange.replace('_', '-')} is for a --project")
        return None
    for pair in pairs:
        if "=" not in pair:
            raise click.UsageError(f"-P {pair!r}: expected NAME=VALUE")
    return given_project(uri, parameters=dict(pair.split("=", 1) for pair in pairs), **rest)
