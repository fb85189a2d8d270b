"""Converts a space given from Python, in any of the forms that the field uses, to YAML.

A study stores the text, and a resume reads it back: there is no other way in.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice, Fixed
from mlflow_hpo.space.convert.hyperopt import is_expression, plain_expression
from mlflow_hpo.space.convert.optuna import from_optuna, is_optuna
from mlflow_hpo.space.convert.ray import from_ray, is_ray
from mlflow_hpo.space.convert.scipy import from_scipy, is_scipy
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.plain import Plain, dump_plain, plain, plain_parameter, plain_space
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_file import load_space, parse_space

Form = tuple[Callable[[Any], bool], Callable[[str, Any], Plain]]
FOREIGN: tuple[Form, ...] = ((is_scipy, from_scipy), (is_optuna, from_optuna), (is_ray, from_ray))


def space_text(space: Any) -> str:
    """Returns the YAML text of a space.

    Args:
        space: the path of a YAML file; a `Space`; a Hyperopt expression; or a dict of names to values: a
            list, tuple, range or array (one of these), a scalar (fixed), `{"type": "float", ...}`, a
            `Float`, `Int`, `Choice` or `Fixed`, or a distribution of scipy.stats, Optuna or Ray Tune.

    Raises:
        SpaceError: one line for each fault, with the hyperparameter's name and the value.
    """
    if isinstance(space, str | Path):
        return load_space(str(space))[1]
    try:
        text = dump_plain(_plain(space))
        parse_space(text, "space")
    except RecursionError:
        raise SpaceError("space: it holds itself, or is too deep") from None
    except SpaceError as error:  # without line numbers, which are of a text that the user did not write
        raise SpaceError(re.sub(r"(?m)^space:\d+: ", "space: ", str(error))) from None
    return text


def _plain(space: Any) -> Plain:
    if isinstance(space, Space):
        return plain_space(space)
    if is_expression(space):
        return plain_expression(space)
    if isinstance(space, Mapping):
        return {_name(name): _parameter(str(name), value) for name, value in space.items()}
    raise SpaceError(
        f"space: {space!r:.100} is of type {type(space).__name__}: expected a YAML file, a Space, "
        "a dict of hyperparameters or a Hyperopt expression"
    )


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise SpaceError(f"space: {name!r} is no name for a hyperparameter")
    return str(name)


def _parameter(name: str, value: Any) -> Plain:
    for is_foreign, convert in FOREIGN:
        if is_foreign(value):
            return _parameter(name, convert(name, value))
    if isinstance(value, Float | Int | Choice | Fixed):
        return plain_parameter(value)
    if isinstance(value, Mapping):
        return {str(field): _scalar(f"{name}.{field}", item) for field, item in value.items()}
    value = plain(value)
    if isinstance(value, list):
        return [_option(f"{name}[{i}]", item) for i, item in enumerate(value)]
    return _scalar(name, value)


def _option(name: str, value: Any) -> Plain:
    """Converts an option: a scalar, a list of scalars, or `{option: hyperparameters}`."""
    if isinstance(value, list):
        return [_scalar(f"{name}[{i}]", item) for i, item in enumerate(value)]
    if not isinstance(value, Mapping):
        return _scalar(name, value)
    return {_scalar(name, key): _below(f"{name}.{key}", below) for key, below in value.items()}


def _below(name: str, value: Any) -> Plain:
    if not isinstance(value, Mapping):
        return _scalar(name, value)
    return {_name(k): _parameter(f"{name}.{k}", v) for k, v in value.items()}


def _scalar(name: str, value: Any) -> Plain:
    value = plain(value)
    if type(value) in (bool, int, float, str, type(None)):
        return value
    raise SpaceError(
        f"space: {name}: {value!r:.100} is of type {type(value).__name__}: "
        "expected a number, a word, true, false or None"
    )
