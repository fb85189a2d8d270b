"""A user's own suggest function, as `package.module:function`."""

import sys
from importlib import import_module
from pathlib import Path

from mlflow_hpo.algorithms.base import Algorithm
from mlflow_hpo.errors import ConfigError


def from_user(name: str) -> Algorithm:
    """The function `package.module:function`, from the working folder or what is installed.

    Raises:
        ConfigError: it cannot be imported, or is no function.
    """
    module, _, function = name.partition(":")
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        suggest = getattr(import_module(module), function)
    except Exception as error:  # whatever the user's module raises
        raise ConfigError(
            f"algorithm {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not callable(suggest):
        raise ConfigError(f"algorithm {name!r} is no function, but {suggest!r}")
    return Algorithm(suggest)
