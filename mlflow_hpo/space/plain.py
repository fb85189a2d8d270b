"""Spaces as plain data: what the YAML says, as Python values; for the converters, and back to text.

A *plain* space is a dict of names to what YAML would hold there: a scalar, a list of options, or a dict with
`type`, `low` and `high`.
"""

import math
from typing import Any

import yaml

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.metric import unboxed
from mlflow_hpo.space.choices import Choice, Fixed, Option, Parameter
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.where import WHERE
from mlflow_hpo.space.yaml_1_2 import Dumper

Plain = Any


def plain(value: Any) -> Any:
    """Returns a value with what other libraries hold as Python's own, and tuples and ranges as lists."""
    if isinstance(value, type):
        return value
    held = value
    if hasattr(value, "numpy") and not hasattr(value, "tolist") and getattr(value, "shape", ()) != ():
        held = value.numpy()  # a tensor of TensorFlow's
    held = held.tolist() if hasattr(held, "tolist") else unboxed(held)
    if isinstance(held, bool | int | float | str | list):  # else it is refused by the name that it has
        value = held
    if isinstance(value, list | tuple | range):
        return [plain(v) for v in value]
    return value


def number(kind: str, low: Any, high: Any, **fields: Any) -> Plain:
    """Returns a range of numbers, or just the number if both ends are equal.

    Args:
        kind: `int` or `float`.
        fields: `step` and `log`; left out if they are None or 0.
    """
    low, high = plain(low), plain(high)
    if low == high:
        return low
    return {"type": kind, "low": low, "high": high} | {k: plain(v) for k, v in fields.items() if v}


def multiples(low: float, high: float, q: float, kind: str) -> Plain:
    """Returns the range of the multiples of `q` that rounding a number between the ends can give.

    An end halfway between two multiples counts for the inner one: the outer one has no chance.
    """
    first, last = math.floor(round(low / q, 9) + 0.5), math.ceil(round(high / q, 9) - 0.5)
    last = max(first, last)
    if kind == "int":
        return number(kind, first * int(q), last * int(q), step=int(q) if q != 1 else 0)
    return number(kind, short(first * q), short(last * q), step=float(q))


def short(value: float) -> float:
    """Returns the number without floating-point noise: exp(log(0.0001)) becomes 0.0001."""
    rounded = float(f"{value:.12g}")
    return rounded if math.isclose(rounded, value, rel_tol=1e-14) else float(value)


def refused(name: str, what: str, advice: str) -> SpaceError:
    """Returns the error for a distribution that a space cannot express."""
    return SpaceError(f"space: {name}: {what} {advice}")


def plain_space(space: Space) -> Plain:
    """Returns the space as plain data."""
    nested: dict[str, Any] = {}
    for name, parameter in space.parameters.items():
        *above, last = space.paths.get(name, (name,))
        inner = nested
        for step in above:
            inner = inner.setdefault(step, {})
        inner[last] = plain_parameter(parameter)
    rules = [where.text for where in space.where]
    return nested | ({WHERE: rules if len(rules) > 1 else rules[0]} if rules else {})


def plain_parameter(parameter: Parameter) -> Plain:
    """Returns one hyperparameter as plain data."""
    if isinstance(parameter, Fixed):
        return parameter.value
    if isinstance(parameter, Choice):
        options = [_option(option) for option in parameter.options]
        odds = {"type": "choice", "options": options, "odds": list(parameter.odds)}
        return odds if parameter.odds else options
    return {"type": parameter.type} | parameter.model_dump(exclude_defaults=True)


def _option(option: Option) -> Plain:
    return {option.value: plain_space(option.space)} if option.space else option.value


def dump_plain(space: Plain) -> str:
    """Returns the YAML text of a plain space, with one line per hyperparameter if it is short enough.

    Raises:
        SpaceError: a value cannot be written as YAML.
    """
    try:
        return yaml.dump(space, Dumper=Dumper, sort_keys=False, allow_unicode=True, default_flow_style=None)
    except yaml.representer.RepresenterError as error:
        value = error.args[-1]
        raise SpaceError(
            f"space: {value!r} is of type {type(value).__name__}, no number, word or list"
        ) from None
    except UnicodeEncodeError as error:
        raise SpaceError(f"space: {error.object!r} has characters that no store keeps") from None


def dump_space(space: Space) -> str:
    """Returns the YAML text from which `parse_space` makes an equal space."""
    return dump_plain(plain_space(space))
