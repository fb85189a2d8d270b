"""Reads the configs that a user wants to have tried first."""

from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from mlflow_hpo.errors import SpaceError, one_line
from mlflow_hpo.metric import unboxed
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_1_2 import Dumper, Loader
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


def given_text(configs: Iterable[Any]) -> str:
    """Returns configs as YAML, as a file would hold them.

    Raises:
        SpaceError: one is no dict, or has a value that is no plain one.
    """
    listed = [*configs]
    if strange := next((config for config in listed if not isinstance(config, Mapping)), None):
        raise SpaceError(f"start-from: {strange!r:.100} is no config: give dicts, each as name: value")
    for config in listed:
        for name, value in config.items():
            _dumped(name, unboxed(value))
    return _dumped("", [{str(n): unboxed(value) for n, value in config.items()} for config in listed])


def _dumped(name: str, value: Any) -> str:
    try:
        return str(yaml.dump(value, Dumper=Dumper, sort_keys=False))
    except yaml.YAMLError:
        kind = type(value).__name__
        raise SpaceError(f"start-from: {name} is of type {kind}, which no file of configs can hold") from None


def parse_given(
    text: str, source: str, space: Space, defaults: Config, only_known: bool = False
) -> list[dict[str, Any]]:
    """Returns the configs in a YAML list of `name: value` mappings; missing names get their default.

    Args:
        only_known: leave out what is not in the space.

    Where the space is empty, since the objective asks for its hyperparameters, any names will do.

    Raises:
        SpaceError: a config is malformed or outside the space; its place in the list, from 1, is named.
    """
    try:
        configs = yaml.load(text, Loader)
    except (yaml.YAMLError, ValueError, LookupError) as error:  # no YAML, or a number that does not exist
        raise SpaceError(f"{source}: not valid YAML: {one_line(error, 200)}") from None
    except RecursionError:
        raise SpaceError(f"{source}: not valid YAML: it is too deep") from None
    if not isinstance(configs, list) or not configs or not all(isinstance(c, dict) for c in configs):
        raise SpaceError(f"{source}: expected a list of configs, each as `name: value`")
    if not space.parameters:
        return configs
    if only_known:
        configs = [{name: c[name] for name in c if name in space.names()} for c in configs]
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
