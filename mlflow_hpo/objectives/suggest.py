"""The trial as Optuna's objectives use it: they ask for each hyperparameter as they run."""

from collections.abc import Sequence
from typing import Any

from mlflow_hpo.errors import SpaceError, TrialError
from mlflow_hpo.objectives.reporter import Reporter
from mlflow_hpo.objectives.unit import UnitContext
from mlflow_hpo.space import Choice, Parameter, asked_parameter, drawn, holds, option_value, usual
from mlflow_hpo.trial import Config


class Suggestions:
    """Answers what an objective asks for: as it was proposed, or at random where it was not.

    Where a space was given, that answers, and nothing else may be asked for.

    Attributes:
        asked: the hyperparameters that were asked for so far, with their values and distributions.
        user_attrs: what `set_user_attr` was given.
    """

    context: UnitContext
    reporter: Reporter
    asked: dict[str, tuple[Any, Parameter]]
    user_attrs: dict[str, Any]

    @property
    def study(self) -> Any:
        """Optuna's study, which there is none of.

        Raises:
            TrialError: always.
        """
        raise TrialError("trial.study is not here: patience, target, timeout and max_trials end a study")

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float:
        """Returns a float of the range, in steps from `low` if they are given."""
        return float(self._range(name, "float", float(low), float(high), log, step and float(step)))

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1, log: bool = False) -> int:
        """Returns a whole number of the range, in steps from `low`."""
        return int(self._range(name, "int", int(low), int(high), log, int(step)))

    def suggest_uniform(self, name: str, low: float, high: float) -> float:
        """Returns a float of the range."""
        return self.suggest_float(name, low, high)

    def suggest_loguniform(self, name: str, low: float, high: float) -> float:
        """Returns a float of the range, drawn uniformly in its logarithm."""
        return self.suggest_float(name, low, high, log=True)

    def suggest_discrete_uniform(self, name: str, low: float, high: float, q: float) -> float:
        """Returns a float of the range, in steps of `q` from `low`."""
        return self.suggest_float(name, low, high, step=q)

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any:
        """Returns one of the choices."""
        parameter = _parameter(name, [option_value(choice) for choice in choices])
        value = self._value(name, parameter)
        index = parameter.encode(value) if isinstance(parameter, Choice) else None
        return value if index is None else choices[int(index)]  # a space that was given may have others

    @property
    def number(self) -> int:
        """The trial's number in the study; -1 where a config is trained outside of a trial."""
        return self.context.location.number if self.context.location else -1

    @property
    def params(self) -> Config:
        """The hyperparameters that were asked for so far; of a space that was given, all."""
        if self.context.asks is None:
            return dict(self.context.config)
        return {name: value for name, (value, _) in self.asked.items()}

    def set_user_attr(self, key: str, value: Any) -> None:
        """Keeps a value with the trial: a tag of its run, `user_attrs.KEY`."""
        self.user_attrs[str(key)] = value
        self.reporter.on_attribute(str(key), str(value))

    def _range(self, name: str, kind: str, low: Any, high: Any, log: bool, step: Any) -> Any:
        fields = {"type": kind, "low": low, "high": high, "log": bool(log)}
        fields |= {"step": step} if step else {}
        return self._value(name, _parameter(name, low if low == high else fields))

    def _value(self, name: str, parameter: Parameter) -> Any:
        """Returns the value of a hyperparameter, and notes that it was asked for."""
        config = self.context.config
        if self.context.asks is None:
            if name not in config:
                known = ", ".join(config) or "nothing"
                raise TrialError(f"the objective asks for {name!r}, and the space that was given has {known}")
            return config[name]
        if name not in self.asked or not holds(parameter, self.asked[name][0]):
            proposed = name in config and holds(parameter, config[name])
            value = config[name] if proposed else self._chosen(name, parameter, self.context.asks)
            self.asked[name] = (value, parameter)
            self.reporter.on_ask(self.asked)
        return self.asked[name][0]

    def _chosen(self, name: str, parameter: Parameter, seed: int) -> Any:
        """Returns a value at random; of trial 0, the baseline, the middle or the first option."""
        return usual(parameter, name, {}) if self.number == 0 else drawn(name, parameter, seed)


def _parameter(name: str, given: Any) -> Parameter:
    try:
        return asked_parameter(name, given)
    except SpaceError as error:  # of this config: another may ask for other ranges
        raise TrialError(f"the objective asks for what cannot be: {error}") from None


def is_pruned(error: Exception) -> bool:
    """Tells whether an objective has pruned itself by Optuna's exception."""
    return any(c.__name__ == "TrialPruned" and c.__module__.startswith("optuna") for c in type(error).__mro__)
