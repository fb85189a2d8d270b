"""Converts Optuna's distributions; they are recognised by their classes' names, without importing Optuna."""

from typing import Any

from mlflow_hpo.space.plain import Plain, number, refused

TAKEN = "FloatDistribution, IntDistribution and CategoricalDistribution"


def is_optuna(value: Any) -> bool:
    """Returns whether it is one of Optuna's distributions."""
    return type(value).__module__.startswith("optuna.")


def from_optuna(name: str, value: Any) -> Plain:
    """Returns the distribution as plain data.

    Raises:
        SpaceError: it is no distribution.
    """
    kinds = [kind.__name__ for kind in type(value).__mro__]
    if "CategoricalDistribution" in kinds:
        return list(value.choices)
    if "FloatDistribution" in kinds:
        return number("float", value.low, value.high, step=value.step, log=value.log)
    if "IntDistribution" in kinds:
        return number("int", value.low, value.high, step=value.step if value.step != 1 else 0, log=value.log)
    raise refused(name, f"Optuna's {kinds[0]} is no distribution of a space:", f"known are {TAKEN}")
