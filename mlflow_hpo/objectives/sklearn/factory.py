"""Makes estimators from configs."""

import inspect
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.errors import TrialError
from mlflow_hpo.models import keyword_defaults
from mlflow_hpo.objectives.sklearn.boosters import prepare
from mlflow_hpo.objectives.sklearn.estimators import is_estimator
from mlflow_hpo.objectives.sklearn.resources import BATCH_SIZE
from mlflow_hpo.trial import Config

RANDOM_STATE = "random_state"


@dataclass(frozen=True)
class EstimatorFactory:
    """Makes a copy of an estimator, or what a function returns, with a config as its params.

    Attributes:
        target: an estimator, a class of them, or a function that returns one; a `HyperEstimator`.
    """

    target: Any

    @property
    def arguments(self) -> dict[str, Any]:
        """The arguments of the user's function, with their defaults; they come before params."""
        if hasattr(self.target, "arguments"):  # a hypermodel's
            return dict(self.target.arguments)
        is_function = not inspect.isclass(self.target) and not is_estimator(self.target)
        return keyword_defaults(self.target) if is_function else {}

    def make(self, config: Config, seed: int | None = None) -> Any:
        """Returns a new estimator.

        Args:
            seed: given to each `random_state` that is None.

        Raises:
            TrialError: it does not take the config's params.
        """
        estimator = self._new(config)
        try:
            shown = estimator.get_params()  # CatBoost's do not show what is not set, nor may that be None
            given = self.params(config)
            estimator.set_params(**{k: v for k, v in given.items() if v is not None or k in shown})
        except ValueError as error:
            raise TrialError(f"{type(estimator).__name__}: {error}") from None
        prepare(estimator, seed)
        if seed is None:
            return estimator
        unseeded = [k for k, v in estimator.get_params().items() if k.endswith(RANDOM_STATE) and v is None]
        return estimator.set_params(**dict.fromkeys(unseeded, seed))

    def params(self, config: Config) -> dict[str, Any]:
        """Returns the part of a config that is for the estimator itself."""
        return {k: v for k, v in config.items() if k not in self.arguments and k != BATCH_SIZE}

    def _new(self, config: Config) -> Any:
        from sklearn.base import clone

        if inspect.isclass(self.target):
            return self.target()
        if is_estimator(self.target):
            return clone(self.target)
        return self.target(**{k: v for k, v in config.items() if k in self.arguments})
