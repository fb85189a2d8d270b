"""Which objective trains a model: a built-in one, or whatever the user's reference leads to."""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.models import is_builtin
from mlflow_hpo.objectives.function import KEYWORD_FORM, FunctionObjective, form_of
from mlflow_hpo.objectives.handle import Objective
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective, Keywords, Tuner, is_filled, is_hypermodel
from mlflow_hpo.objectives.members import Members
from mlflow_hpo.objectives.sklearn import SklearnObjective, is_estimator
from mlflow_hpo.references import load_reference
from mlflow_hpo.subject import Subject

EXPECTED = (
    "expected a KerasTuner hypermodel, a function that returns a compiled Keras model or an estimator, "
    "an estimator, objective(trial), or a function of a config that returns a number"
)


@lru_cache(maxsize=2)
def find_objective(subject: Subject) -> Objective:
    """The objective of a study; kept, so that the user's code is loaded once.

    Raises:
        ConfigError: the user's code cannot be loaded, or is nothing that can be tuned.
    """
    if subject.project:
        from mlflow_hpo.objectives.project import ProjectObjective
        from mlflow_hpo.projects import Prepared

        return ProjectObjective(Prepared.read(subject.project), subject.metric, subject.maximize)
    single = _single(subject)
    if subject.folds == 1 and subject.repeats == 1:
        return single
    return Members(
        single, subject.folds, subject.repeats, subject.data.seed, subject.early_stopping, subject.maximize
    )


def _single(subject: Subject) -> Objective:
    kind, target = _classified(subject.model)
    if kind == "estimator":
        return SklearnObjective(target, subject.resource, subject.preprocess, subject.metric)
    if kind == "keras":
        return KerasObjective(target, subject.preprocess)
    found: Objective = target
    return found


@lru_cache(maxsize=2)
def _classified(model: str) -> tuple[str, Any]:
    """What a model is, and the builder, estimator or objective that it gives; tried once in a process."""
    if is_builtin(model):
        return "keras", BuiltIn(model)
    target = load_reference(model, "model")
    if isinstance(target, FunctionObjective):  # made by `tune`
        return "function", target
    if is_hypermodel(target):
        return "keras", Tuner(target)
    if is_estimator(target):
        return "estimator", target
    if not callable(target) or inspect.isclass(target):
        raise ConfigError(f"model {model!r} is {_kind(target)}: {EXPECTED}")
    return _of_function(target, model)


def _of_function(function: Callable[..., Any], model: str) -> tuple[str, Any]:
    """What a function is for shows by its arguments or, where they all have defaults, by what it returns."""
    form = form_of(function)
    if form != KEYWORD_FORM:
        filled = is_filled(inspect.signature(function).parameters)
        return ("keras", Keywords(function)) if filled else ("function", FunctionObjective(function, form))
    made = function()
    if _is_keras(made):
        return "keras", Keywords(function)
    if is_estimator(made):
        return "estimator", function
    if made is None or isinstance(made, str | type):
        raise ConfigError(f"model {model!r} returned {_kind(made)}: {EXPECTED}")
    return "function", FunctionObjective(function, form)


def _is_keras(made: Any) -> bool:
    return any(c.__module__.startswith("keras.") and c.__name__ == "Model" for c in type(made).__mro__)


def _kind(target: Any) -> str:
    return f"the class {target.__name__}" if inspect.isclass(target) else f"of type {type(target).__name__}"
