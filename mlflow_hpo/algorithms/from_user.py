"""A user's own suggest function, as `package.module:function`."""

from mlflow_hpo.algorithms.base import Algorithm, foreign
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.references import load_reference


def from_user(name: str) -> Algorithm:
    """The function `package.module:function` or `path/to/file.py:function`.

    Raises:
        ConfigError: it cannot be imported, or is no function.
    """
    suggest = load_reference(name, "algorithm")
    if not callable(suggest):
        raise ConfigError(f"algorithm {name!r} is no function, but {suggest!r}")
    return Algorithm(foreign(name, suggest))
