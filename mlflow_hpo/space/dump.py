"""A space back to the YAML that `parse_space` reads."""

from typing import Any

import yaml

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter
from mlflow_hpo.space.plain import Plain
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_file import Loader


class _Dumper(yaml.SafeDumper):
    """Quotes the words that `Loader` would take for something else; writes no aliases."""

    yaml_implicit_resolvers = Loader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _word(dumper: _Dumper, value: str) -> yaml.ScalarNode:
    """Escaped where it has a break or the like: PyYAML reads some of them as a space."""
    style = None if value.isprintable() else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _word)


def dump_space(space: Space) -> str:
    """The YAML text from which `parse_space` makes an equal space."""
    return dump_plain(plain_space(space))


def dump_plain(found: Plain) -> str:
    """The YAML text of a plain space: one line for each hyperparameter, where it is short enough.

    Raises:
        SpaceError: it holds what YAML cannot say.
    """
    try:
        return yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)
    except yaml.representer.RepresenterError as error:
        value = error.args[-1]
        raise SpaceError(
            f"space: {value!r} is of type {type(value).__name__}, no number, word or list"
        ) from None


def plain_space(space: Space) -> Plain:
    """The space as plain data."""
    return {name: plain_parameter(parameter) for name, parameter in space.parameters.items()}


def plain_parameter(parameter: Parameter) -> Plain:
    """One hyperparameter as plain data."""
    if isinstance(parameter, Fixed):
        return parameter.value
    if isinstance(parameter, Choice):
        return [_option(option) for option in parameter.options]
    return {"type": parameter.type} | parameter.model_dump(exclude_defaults=True)


def _option(option: Option) -> Plain:
    return {option.value: plain_space(option.space)} if option.space else option.value
