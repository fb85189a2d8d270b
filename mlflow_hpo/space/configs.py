"""Configs that a user gives, to be tried first."""

from pathlib import Path
from typing import Any

import yaml

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_file import Loader
from mlflow_hpo.trial import Config


def load_given(path: str) -> str:
    """The text of a file of configs.

    Raises:
        SpaceError: it cannot be read, or is empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpaceError(f"start-from {path!r} cannot be read: {reason}") from None
    if not text.strip():
        raise SpaceError(f"start-from {path!r} is empty: expected a list of configs, each as `name: value`")
    return text


def parse_given(text: str, source: str, space: Space, defaults: Config) -> list[dict[str, Any]]:
    """Configs from YAML: a list of `name: value` mappings; what one leaves out is the default.

    Raises:
        SpaceError: one is malformed, or outside the space; it is named by its place in the list, from 1.
    """
    try:
        found = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError) as error:  # the second: a number or a date that there is not
        raise SpaceError(f"{source}: not valid YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(found, list) or not found or not all(isinstance(c, dict) for c in found):
        raise SpaceError(f"{source}: expected a list of configs, each as `name: value`")
    return [_config(c, f"{source}: config {i}", space, defaults) for i, c in enumerate(found, 1)]


def _config(given: dict[str, Any], where: str, space: Space, defaults: Config) -> dict[str, Any]:
    if strange := sorted(str(name) for name in set(given) - space.names()):
        known = ", ".join(sorted(space.names()))
        raise SpaceError(f"{where}: {strange[0]!r} is not in the space, which has {known}")
    config = space.completed(given, defaults)
    if unused := sorted(set(given) - set(config)):
        raise SpaceError(f"{where}: {unused[0]!r} is not active with the other values")
    if fault := space.fault(config):
        raise SpaceError(f"{where}: {fault}")
    return config
