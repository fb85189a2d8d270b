"""Checks an entry point's parameters against a space and fixed values: names, MLproject's types, defaults."""

from collections.abc import Iterable, Mapping
from typing import Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.space import Choice, Fixed, Float, Int, Parameter, Space

NUMBERS = ("float", "int")  # MLproject's types for numbers; MLflow does not check them


def check_names(entry: Any, space: Space, fixed: Iterable[str], resource: str) -> None:
    """Raises ConfigError if a name is no parameter of the entry point; a script accepts any.

    Args:
        entry: MLflow's `EntryPoint`.
        fixed: names of parameters with one value for all trials.
        resource: the parameter that is a trial's budget; empty if there is none.
    """
    listed = ", ".join(sorted(entry.parameters)) or "none"
    for what, names in (("space", space.names()), ("resource", {resource} - {""})):
        for name in sorted(names - set(entry.parameters)) if entry.parameters or not is_script(entry) else ():
            raise ConfigError(
                f"{what}: {name!r} is no parameter of entry point {entry.name!r}: its parameters are {listed}"
            )
    if resource and resource in {*space.names(), *fixed}:
        raise ConfigError(
            f"resource: {resource!r} is the budget of a trial, and cannot be searched or fixed, too"
        )
    if not space.names():
        raise ConfigError("space: it has nothing to search beside what is fixed")


def is_script(entry: Any) -> bool:
    """Returns whether MLflow made the entry point up from a file's name."""
    return str(entry.name).endswith((".py", ".sh", ".R"))


def check_values(entry: Any, space: Space, fixed: Mapping[str, str]) -> None:
    """Raises ConfigError for the first value that is not of the type that MLproject declares."""
    for place, name, value in (*_searched(space, ""), *(("-P", k, v) for k, v in fixed.items())):
        declared = entry.parameters[name].type if name in entry.parameters else "string"
        if not _fits(declared, value):
            raise ConfigError(f"{place}: {name}: MLproject declares type {declared}, not {value!r}")


def _searched(space: Space, above: str) -> Iterable[tuple[str, str, Any]]:
    for name, parameter in space.parameters.items():
        for value in _values(parameter):
            yield "space", name, value
        for option in parameter.options if isinstance(parameter, Choice) else ():
            if option.space:
                yield from _searched(option.space, name)


def _values(parameter: Parameter) -> list[Any]:
    if isinstance(parameter, Choice):
        return [option.value for option in parameter.options]
    if isinstance(parameter, Fixed):
        return [parameter.value]
    return [float(parameter.low)] if isinstance(parameter, Float) else [parameter.low]


def _fits(declared: str, value: Any) -> bool:
    if declared == "uri":
        from mlflow.utils.data_utils import is_uri

        return isinstance(value, str) and bool(is_uri(value))
    if declared not in NUMBERS:
        return True
    try:
        number = float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool) and (
        declared == "float" or (number.is_integer() and not isinstance(value, float))
    )


def defaults(entry: Any, space: Space) -> dict[str, Any]:
    """Returns the defaults of the searched parameters.

    MLproject may hold a number as text: it is converted where the type or the space wants a number.
    """
    return {
        name: _typed(parameter, space.parameters.get(name))
        for name, parameter in entry.parameters.items()
        if parameter.default is not None and name in space.names()
    }


def _typed(parameter: Any, searched: Parameter | None) -> Any:
    value = parameter.default
    if isinstance(searched, Choice) and any(option.value == value for option in searched.options):
        return value
    if isinstance(value, str) and (parameter.type in NUMBERS or isinstance(searched, Int | Float)):
        value = _number(value)
    if not _fits(parameter.type, value):
        raise ConfigError(
            f"MLproject: {parameter.name}: its default {parameter.default!r} is not of type {parameter.type}"
        )
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return float(value) if isinstance(searched, Float) and is_number else value  # like all its other values


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def constants(entry: Any, space: Space, fixed: Mapping[str, str], resource: str) -> dict[str, str]:
    """Returns the values of all parameters that are not searched: the same for every trial."""
    values = {name: p.default for name, p in entry.parameters.items() if p.default is not None} | dict(fixed)
    return {k: str(v) for k, v in values.items() if k not in space.names() and k != resource}
