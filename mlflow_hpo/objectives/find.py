"""Finds the objective that trains a model: a built-in model, or the user's code."""

import inspect
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.models import is_builtin
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.cross_validation import Repeated
from mlflow_hpo.objectives.function import KEYWORD_FORM, FunctionObjective, form_of
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective, Keywords, Tuner, is_filled, is_hypermodel
from mlflow_hpo.objectives.keras.callbacks import Callbacks
from mlflow_hpo.objectives.keras.tuner_estimator import HyperEstimator, is_keras_code
from mlflow_hpo.objectives.keras.wrapped import Wrapped, is_wrapper, unwrapped
from mlflow_hpo.objectives.sklearn import MetricScorer, SklearnObjective, is_estimator
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.user_code import load_code, load_reference, shown_name

EXPECTED = (
    "expected a KerasTuner hypermodel, a function that returns a compiled Keras model or an estimator, "
    "an estimator, objective(trial), or a function of a config that returns a number"
)


@lru_cache(maxsize=2)
def find_objective(spec: ObjectiveSpec) -> Objective:
    """Returns the objective of a study; the last two are kept, so that the user's code is loaded once.

    Raises:
        ConfigError: the user's code cannot be loaded or tuned.
    """
    if spec.project:
        from mlflow_hpo.objectives.project.objective import ProjectObjective
        from mlflow_hpo.projects.prepared import Prepared

        assert spec.metric is not None
        return ProjectObjective(Prepared.read(spec.project), spec.metric)
    single = _single(spec)
    if spec.folds == 1 and spec.repeats == 1:
        return single
    return Repeated(single, spec.folds, spec.repeats, spec.data.seed)


def _single(spec: ObjectiveSpec) -> Objective:
    kind, target = _classified(spec.model, spec.code)
    metric = spec.metric.name if spec.metric else ""
    scorer = load_code(spec.scorer, f"metric {metric!r}") if spec.scorer else None
    if spec.callbacks and kind != "keras":
        raise ConfigError(
            f"callbacks: they are for Keras models, and {shown_name(spec.model)!r} is {_a(kind)}: "
            "leave them out"
        )
    if kind == "estimator":
        return SklearnObjective(target, spec.resource, spec.preprocess, metric, scorer, spec.others)
    if kind == "keras":
        of_model, class_weight = (
            (target.given, target.class_weight) if isinstance(target, Wrapped) else ((), "")
        )
        callbacks = Callbacks(spec.callbacks, spec.callbacks_code, of_model)
        scores = MetricScorer(metric, scorer, spec.others)
        return KerasObjective(target, spec.preprocess, scores, callbacks, class_weight)
    if scorer is not None:
        raise ConfigError(
            f"metric: a scorer is for models, and {shown_name(spec.model)!r} is a function: name a metric"
        )
    objective: Objective = target
    return objective


@lru_cache(maxsize=2)
def _classified(model: str, code: str) -> tuple[str, Any]:
    """Returns the kind of a model, and its builder, estimator or objective; the last two are kept."""
    if is_builtin(model):
        return "keras", BuiltIn(model)
    target = load_code(code, f"model {shown_name(model)!r}") if code else load_reference(model, "model")
    model = shown_name(model)
    if isinstance(target, FunctionObjective):  # made by `tune`
        return "function", target
    if is_hypermodel(target):
        return _classified_hypermodel(target)
    if is_wrapper(target):
        return "keras", unwrapped(target)
    if is_estimator(target):
        return "estimator", target
    if not callable(target) or inspect.isclass(target):
        raise ConfigError(f"model {model!r} is {_kind(target)}: {EXPECTED}")
    return _classified_function(target, model)


def _classified_hypermodel(target: Any) -> tuple[str, Any]:
    """Tells whether a hypermodel builds a Keras model or an estimator; one that names Keras is not called."""
    tuner = Tuner(target)
    needs_data = inspect.isclass(target) and any(
        p.default is p.empty for p in inspect.signature(target).parameters.values()
    )
    if needs_data or tuner.has_own_fit or is_keras_code(target):
        return "keras", tuner
    from mlflow_hpo.store.discarded import discarded  # imports MLflow

    with discarded():
        made = tuner.made({}, None)
    if is_estimator(made) and not _is_keras(made):
        return "estimator", HyperEstimator(tuner)
    return "keras", tuner


def _classified_function(function: Callable[..., Any], model: str) -> tuple[str, Any]:
    """Tells what a function is for by its arguments or, if they all have defaults, by what it returns."""
    form = form_of(function)
    if form != KEYWORD_FORM:
        filled = is_filled(inspect.signature(function).parameters)
        return ("keras", Keywords(function)) if filled else ("function", FunctionObjective(function, form))
    from mlflow_hpo.store.discarded import discarded  # imports MLflow

    with discarded():
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


def _a(kind: str) -> str:
    return "an estimator" if kind == "estimator" else f"a {kind}"


def _kind(target: Any) -> str:
    return f"the class {target.__name__}" if inspect.isclass(target) else f"of type {type(target).__name__}"
