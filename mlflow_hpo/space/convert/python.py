"""Converts a space given from Python, in any of the forms that the field uses, to YAML.

A study stores the text, and a resume reads it back: there is no other way in.
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice, Fixed
from mlflow_hpo.space.convert.grids import joined
from mlflow_hpo.space.convert.hyperopt import is_expression, plain_expression
from mlflow_hpo.space.convert.options import Options
from mlflow_hpo.space.convert.optuna import from_optuna, is_optuna
from mlflow_hpo.space.convert.ray import from_ray, is_ray
from mlflow_hpo.space.convert.scipy import from_scipy, is_scipy
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.normal import Normal
from mlflow_hpo.space.parser import LISTS, is_distribution
from mlflow_hpo.space.plain import Plain, dump_plain, plain, plain_parameter, plain_space
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_file import load_space, parse_space

Form = tuple[Callable[[Any], bool], Callable[[str, Any], Plain]]
FOREIGN: tuple[Form, ...] = ((is_scipy, from_scipy), (is_optuna, from_optuna), (is_ray, from_ray))


def space_text(space: Any) -> str:
    """Returns the YAML text of a space; see `converted`."""
    return converted(space)[0]


def converted(space: Any) -> tuple[str, Options]:
    """Returns the YAML text of a space, and the objects that its words stand for.

    Args:
        space: the path of a YAML file; a `Space`; a Hyperopt expression; a list of grids; or a dict of names
            to values: a list, tuple, range or array (one of these; an option may be any object), a scalar
            (fixed), `{"type": "float", ...}`, a `Float`, `Int`, `Normal`, `Choice` or `Fixed`, a distribution
            of scipy.stats, Optuna or Ray Tune, or another such dict.

    Raises:
        SpaceError: one line for each fault, with the hyperparameter's name and the value.
    """
    if isinstance(space, str | Path):
        return load_space(str(space))[1], Options()
    converter = _Converter()
    try:
        text = dump_plain(converter.space(space))
        parse_space(text, "space")
    except RecursionError:
        raise SpaceError("space: it holds itself, or is too deep") from None
    except SpaceError as error:  # without line numbers, which are of a text that the user did not write
        raise SpaceError(re.sub(r"(?m)^space:\d+: ", "space: ", str(error))) from None
    return text, converter.options


class _Converter:
    """Converts one space.

    Attributes:
        options: the objects that were met.
    """

    def __init__(self) -> None:
        self.options = Options()

    def space(self, space: Any) -> Plain:
        if isinstance(space, Space):
            return plain_space(space)
        if is_expression(space):
            return plain_expression(space)
        if isinstance(space, list | tuple) and space:
            space = joined(space, self.options)
        if isinstance(space, Mapping):
            return self._below("", space)
        raise SpaceError(
            f"space: {space!r:.100} is of type {type(space).__name__}: expected a YAML file, a Space, "
            "a dict of hyperparameters, a list of such dicts or a Hyperopt expression"
        )

    def _parameter(self, path: str, name: str, value: Any) -> Plain:
        """Converts one hyperparameter; `path` names it in errors, and `name` in a config."""
        for is_foreign, convert in FOREIGN:
            if is_foreign(value):
                return self._parameter(path, name, convert(path, value))
        if isinstance(value, Float | Int | Normal | Choice | Fixed):
            return plain_parameter(value)
        if isinstance(value, Mapping):
            is_one = is_distribution(value, isinstance(value.get("type"), str))
            return self._fields(path, name, value) if is_one else self._below(path, value, f"{name}.")
        if isinstance(value, list | tuple | range) or bool(getattr(value, "ndim", 0)):
            return [self._option(f"{path}[{i}]", name, item) for i, item in enumerate(value)]
        return _scalar(path, value)

    def _fields(self, path: str, name: str, value: Mapping[Any, Any]) -> Plain:
        """Converts a distribution that is written as a dict."""
        return {
            str(key): self._parameter(f"{path}.{key}", name, item)
            if key in LISTS
            else _scalar(f"{path}.{key}", item)
            for key, item in value.items()
        }

    def _option(self, path: str, name: str, value: Any) -> Plain:
        """Converts an option: a value, or `{option: hyperparameters}`."""
        if _is_foreign(value):
            raise SpaceError(f"space: {path}: {value!r:.100} is a distribution, and an option is one value")
        if not isinstance(value, Mapping) or len(value) != 1:
            return self._word(path, name, value)
        ((key, below),) = value.items()
        if not isinstance(below, Mapping):
            return self._word(path, name, value)
        return {self.options.word(name, key): self._below(f"{path}.{key}", below)}

    def _word(self, path: str, name: str, value: Any) -> Plain:
        if _holds_distribution(value):
            raise SpaceError(
                f"space: {path}: the option {value!r:.100} holds a distribution: write an option and what "
                "belongs to it as {option: {name: distribution}}"
            )
        return self.options.word(name, value)

    def _below(self, path: str, space: Mapping[Any, Any], prefix: str = "") -> Plain:
        before = f"{path}." if path else ""
        return {_name(k): self._parameter(f"{before}{k}", f"{prefix}{k}", v) for k, v in space.items()}


def _is_foreign(value: Any) -> bool:
    return any(is_foreign(value) for is_foreign, _ in FOREIGN)


def _holds_distribution(value: Any) -> bool:
    if isinstance(value, Mapping):
        value = [*value.values()]
    return isinstance(value, list | tuple) and any(
        _is_foreign(member) or _holds_distribution(member) for member in value
    )


def _name(name: Any) -> str:
    if not isinstance(name, str):
        raise SpaceError(f"space: {name!r} is no name for a hyperparameter")
    return str(name)


def _scalar(name: str, value: Any) -> Plain:
    value = plain(value)
    if type(value) in (bool, int, float, str, type(None)):
        return value
    raise SpaceError(
        f"space: {name}: {value!r:.100} is of type {type(value).__name__}: "
        "expected a number, a word, true, false or None"
    )
