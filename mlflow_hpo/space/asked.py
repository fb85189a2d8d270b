"""The hyperparameters that an objective asks for as it runs, and the space that its trials make of them."""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any
from zlib import crc32

from pydantic import ValidationError

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter, identity
from mlflow_hpo.space.distributions import Float, Int
from mlflow_hpo.space.plain import Plain, plain, plain_parameter
from mlflow_hpo.space.space import Space
from mlflow_hpo.trial import Config, derived_seed
from mlflow_hpo.vocabulary import fault_text

Asked = Mapping[str, tuple[Any, Parameter]]  # name -> value and distribution, in the order of asking
RANGES: Mapping[str, type[Float] | type[Int]] = {"float": Float, "int": Int}
SCALARS = (bool, int, float, str, type(None))


def asked_parameter(name: str, given: Plain) -> Parameter:
    """Returns the distribution of a hyperparameter from plain data.

    Raises:
        SpaceError: it cannot be one.
    """
    if not isinstance(name, str) or not name or "|" in name:
        raise SpaceError(f"{name!r} is no name for a hyperparameter")
    if isinstance(given, list):
        if not given:
            raise SpaceError(f"{name}: a choice needs at least one option")
        return Choice(tuple(Option(value) for value in given))
    if not isinstance(given, Mapping):
        return Fixed(given)
    try:
        return RANGES[given["type"]].model_validate(dict(given))
    except ValidationError as error:
        faults = "; ".join(fault_text(fault) for fault in error.errors())
        raise SpaceError(f"{name}: {faults}") from None


def option_value(option: Any) -> Any:
    """Returns how an option of any kind is written: a number, a word, a list of these, or its name."""
    value = plain(option)
    items = value if isinstance(value, list) else [value]
    if all(type(item) in SCALARS for item in items):
        return value
    return str(getattr(option, "__name__", repr(option)))


def holds(parameter: Parameter, value: Any) -> bool:
    """Tells whether a distribution has a value."""
    if isinstance(parameter, Fixed):
        return bool(identity(parameter.value) == identity(value))
    return parameter.encode(value) is not None


def drawn(name: str, parameter: Parameter, seed: int) -> Any:
    """Returns a value at random, which follows from the name and the seed."""
    if isinstance(parameter, Fixed):
        return parameter.value
    from numpy.random import default_rng  # here: bad settings are refused before NumPy is loaded

    part = default_rng(derived_seed(seed, crc32(name.encode()))).random()
    return parameter.decode(parameter.from_unit(part))


def dump_asked(asked: Asked) -> str:
    """Returns what was asked for as JSON, from which `asked_config` and `asked_space` read."""
    return json.dumps({name: [value, plain_parameter(p)] for name, (value, p) in asked.items()})


def asked_config(text: str) -> Config:
    """Returns the values of what an objective asked for."""
    return {name: value for name, (value, _) in json.loads(text).items()} if text else {}


def asked_space(texts: Iterable[str]) -> Space:
    """Returns the space of all that was asked for: each hyperparameter as wide as it was in any trial.

    Args:
        texts: what `dump_asked` made of each trial, in their order; empty ones tell nothing.
    """
    kinds = dict.fromkeys(_parameters(text) for text in texts if text)
    return _merged(tuple(kinds))


@lru_cache(maxsize=2)
def _merged(kinds: tuple[tuple[tuple[str, Parameter], ...], ...]) -> Space:
    """Returns the union; it is kept, since what algorithms make of a space costs more."""
    parameters: dict[str, Parameter] = {}
    for name, parameter in (pair for kind in kinds for pair in kind):
        known = parameters.get(name)
        parameters[name] = parameter if known is None else _wider(known, parameter)
    return Space(parameters)


@lru_cache(maxsize=10_000)
def _parameters(text: str) -> tuple[tuple[str, Parameter], ...]:
    asked = json.loads(text)
    return tuple((name, asked_parameter(name, given)) for name, (_, given) in asked.items())


def _wider(known: Parameter, new: Parameter) -> Parameter:
    """Returns a distribution that holds what both do; the new one, if they are of two kinds."""
    if isinstance(known, Float | Int) and type(known) is type(new):
        same_grid = (known.log, known.step) == (new.log, new.step) and known.step in (None, 1)
        ends = {"low": min(known.low, new.low), "high": max(known.high, new.high)}
        return type(known).model_validate({**new.model_dump(), **ends}) if same_grid else new
    if isinstance(known, Choice | Fixed) and isinstance(new, Choice | Fixed):
        options = {identity(option.value): option for option in (*_options(known), *_options(new))}
        return Choice(tuple(options.values())) if len(options) > 1 else new
    return new


def _options(parameter: Choice | Fixed) -> tuple[Option, ...]:
    return parameter.options if isinstance(parameter, Choice) else (Option(parameter.value),)
