"""Reads the configs that a user wants to have tried first."""

from typing import Any

import yaml

from mlflow_hpo.errors import SpaceError, one_line
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_1_2 import Loader
from mlflow_hpo.space.yaml_file import read_file
from mlflow_hpo.trial import Config


def load_given(path: str) -> str:
    """Returns the text of a file of configs.

    Raises:
        SpaceError: it cannot be read, or is empty.
    """
    text = read_file("start-from", path)
    if not text.strip():
        raise SpaceError(f"start-from {path!r} is empty: expected a list of configs, each as `name: value`")
    return text


def parse_given(text: str, source: str, space: Space, defaults: Config) -> list[dict[str, Any]]:
    """Returns the configs in a YAML list of `name: value` mappings; missing names get their default.

    Where the space is empty, since the objective asks for its hyperparameters, any names will do.

    Raises:
        SpaceError: a config is malformed or outside the space; its place in the list, from 1, is named.
    """
    try:
        configs = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a number or date that does not exist
        raise SpaceError(f"{source}: not valid YAML: {one_line(error, 200)}") from None
    if not isinstance(configs, list) or not configs or not all(isinstance(c, dict) for c in configs):
        raise SpaceError(f"{source}: expected a list of configs, each as `name: value`")
    if not space.parameters:
        return configs
    return [_config(c, f"{source}: config {i}", space, defaults) for i, c in enumerate(configs, 1)]


def _config(given: dict[str, Any], where: str, space: Space, defaults: Config) -> dict[str, Any]:
    names = space.names()
    if strange := sorted(str(name) for name in set(given) - names):
        listed = ", ".join(sorted(names))
        raise SpaceError(f"{where}: {strange[0]!r} is not in the space, which has {listed}")
    config = space.completed(given, defaults)
    if unused := sorted(set(given) - set(config)):
        raise SpaceError(f"{where}: {unused[0]!r} is not active with the other values")
    if fault := space.fault(config):
        raise SpaceError(f"{where}: {fault}")
    return config
