"""A user's own suggest function, as `package.module:function`."""

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, at_random, foreign
from mlflow_hpo.algorithms.propose import propose
from mlflow_hpo.errors import ConfigError, StudyError
from mlflow_hpo.references import load_reference
from mlflow_hpo.space import Space
from mlflow_hpo.trial import State, Trial

TRIED = 3  # trials with which it is tried, before anything is trained


def from_user(name: str) -> Algorithm:
    """The function `package.module:function` or `path/to/file.py:function`.

    Raises:
        ConfigError: it cannot be imported, or is no function.
    """
    suggest = load_reference(name, "algorithm")
    if not callable(suggest):
        raise ConfigError(f"algorithm {name!r} is no function, but {suggest!r}")
    found = Algorithm(foreign(name, suggest))

    def check(space: Space) -> None:
        """Ask it once: what is wrong with it shows only then."""
        rng = np.random.default_rng(0)
        configs = [space.decode(space.full(at_random(space, rng))) for _ in range(TRIED)]
        ended = [Trial(i, "", State.FINISHED, config, {1: float(i)}) for i, config in enumerate(configs)]
        try:
            propose(found, space, ended, TRIED, 0)
        except StudyError as error:
            raise ConfigError(str(error)) from error

    return Algorithm(found.suggest, check, counting=True)
