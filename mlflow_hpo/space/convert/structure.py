"""Turns a config back into the argument of a function that was written for `hyperopt.fmin`."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mlflow_hpo.errors import SpaceError
from mlflow_hpo.space.choices import Choice
from mlflow_hpo.space.convert.python import space_text
from mlflow_hpo.space.space import Space
from mlflow_hpo.space.yaml_file import parse_space
from mlflow_hpo.trial import Config


@dataclass(frozen=True)
class Structure:
    """Evaluates a Hyperopt expression for configs of its space.

    `Structure(expression)(config)` is what `hyperopt.space_eval` returns for the raw values of the config.
    Pickle it with cloudpickle: an expression may hold functions.
    """

    expression: Any

    def __call__(self, config: Config) -> Any:
        """Returns the structure for a config.

        Raises:
            SpaceError: the config is outside the expression's space.
        """
        from hyperopt import space_eval

        if fault := self._space.fault(config):
            raise SpaceError(fault)
        return space_eval(self.expression, {name: self._raw(name, value) for name, value in config.items()})

    def _raw(self, name: str, value: Any) -> Any:
        choice = self._choices.get(name)
        return value if choice is None else choice.encode(value)

    @cached_property
    def _space(self) -> Space:
        return parse_space(space_text(self.expression), "space")

    @cached_property
    def _choices(self) -> dict[str, Choice]:
        leaves = self._space.leaves.items()
        return {label.rpartition("|")[2]: p for label, p in leaves if isinstance(p, Choice)}
