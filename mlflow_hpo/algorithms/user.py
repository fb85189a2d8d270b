"""Searches with a user's suggest function, as `package.module:function`."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mlflow_hpo.algorithms.base import Algorithm, foreign
from mlflow_hpo.algorithms.suggest import whole
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.user_code import load_reference


def from_user(name: str) -> Algorithm:
    """Returns the function `package.module:function` or `path/to/file.py:function` as an algorithm.

    Raises:
        ConfigError: it cannot be imported, or cannot be called as Hyperopt's functions are.
    """
    suggest = load_reference(name, "algorithm")
    if not callable(suggest):
        raise ConfigError(f"algorithm {name!r} is no function, but {suggest!r}")
    _check_call(name, suggest)
    return Algorithm(foreign(name, whole(suggest)), counting=True)


def _check_call(name: str, suggest: Callable[..., Any]) -> None:
    """Checks the arguments; calling the function could change its state."""
    with suppress(ValueError):  # a function written in C may have no signature
        arguments = inspect.signature(suggest)
        try:
            arguments.bind([0], None, None, 0)
        except TypeError as error:
            raise ConfigError(
                f"algorithm {name!r} cannot be called as suggest(new_ids, domain, trials, seed): {error}"
            ) from None
