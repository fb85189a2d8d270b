"""Reads what a hypermodel's own `fit` returns: it is the trial's value, as in KerasTuner."""

import math
from collections.abc import Mapping
from statistics import fmean
from typing import Any

from mlflow_hpo.errors import SetupError
from mlflow_hpo.metric import Metric, number
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.objectives.keras.weights import Weights
from mlflow_hpo.objectives.progress import check_metrics

DEFAULT_OBJECTIVE = "default_objective"  # KerasTuner's name for a number that is returned: it is minimised
FORMS = "a number, a dict of metrics, a History, or a list of them"


def conclude(trial: Handle, fit: Fit, answer: Any) -> None:
    """Counts what the user's own fit returned, beside what its epochs reported.

    Raises:
        SetupError: neither has the metric, or what was returned is no value.
        NotFiniteError: the value is NaN or infinite.
    """
    if trial.progress.reported:
        _count_beside_epochs(trial, fit, answer)
    elif fit.heard:  # only epochs before `start`
        trial.progress.end(trial.where)
    else:
        values = returned(answer, trial.context.metric, trial.context.at_best)
        if values is None:
            raise SetupError(f"the model's fit reported no epoch and returned nothing: return {FORMS}")
        trial.report(trial.epochs, fit.scored(values))
        fit.weights.note(trial.reached)
    counted, end = trial.progress.counted, trial.reached
    for rung in trial.context.rungs:  # a value that is returned is known of the end alone
        if end in counted and trial.start < rung < end:
            counted.setdefault(rung, counted[end])


def _count_beside_epochs(trial: Handle, fit: Fit, answer: Any) -> None:
    metric, progress, epoch = trial.context.metric, trial.progress, trial.reached
    heard = dict(progress.reported[epoch])
    if metric is None or (progress.counted and (answer is None or _curves(answer) is not None)):
        return
    answered = returned(answer, metric, trial.context.at_best)
    if answered is None:
        values: Mapping[str, float] = heard
    else:  # where the epochs report the metric, other ones do not stand for it
        values = answered if metric.name in heard else fit.scored(answered)
    check_metrics(metric.name, epoch, values)
    if answered is None:
        return
    if new := {name: value for name, value in values.items() if heard.get(name) != value}:
        trial.reporter.on_report(epoch, new)
        progress.reported[epoch] = heard | new
    _count(trial, metric, values[metric.name], heard.get(metric.name), fit.weights)


def _count(trial: Handle, metric: Metric, value: float, last: float | None, weights: Weights) -> None:
    """Counts a value that was returned, with the weights that it belongs to.

    They are those of an epoch that had this value; else those that the user's code left.

    Args:
        last: the metric after the last epoch; None if it was not reported.
    """
    progress, epoch, at_best = trial.progress, trial.reached, trial.context.at_best
    if progress.best and progress.best[0] > trial.start and _same(progress.best[1], metric.loss(value)):
        return
    progress.best = trial.context.best if at_best else None
    progress.count(epoch, metric, value, at_best)
    if trial.best_epoch not in (None, epoch):
        weights.count_earlier()
    elif last is not None and _same(last, value):
        weights.count_last()
    else:
        weights.count_as_left()


def _same(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-6)


def returned(answer: Any, metric: Metric | None, at_best: bool) -> dict[str, float] | None:
    """Returns what a `fit` returned as metrics; None if it returned None.

    A number is the metric's value; of a History the best epoch counts, or the last; of a list the mean.

    Raises:
        SetupError: it is nothing of these.
    """
    if answer is None:
        return None
    if (curves := _curves(answer)) is not None:
        return _of_epoch(curves, metric if at_best else None)
    if isinstance(answer, Mapping):
        values = {str(name): number(value) for name, value in answer.items()}
        return {name: value for name, value in values.items() if value is not None}
    if isinstance(answer, list | tuple) and answer:
        parts = [returned(part, metric, at_best) or {} for part in answer]
        shared = [name for name in parts[0] if all(name in part for part in parts)]
        return {name: fmean(part[name] for part in parts) for name in shared}
    if (value := number(answer)) is not None:
        return {metric.name if metric else DEFAULT_OBJECTIVE: value}
    raise SetupError(f"the model's fit returned {type(answer).__name__}: return {FORMS}")


def _of_epoch(history: Mapping[str, Any], best_of: Metric | None) -> dict[str, float]:
    """Returns the metrics of the best epoch of a metric; of the last epoch if there is no such metric."""
    values = history.get(best_of.name, ()) if best_of else ()
    place = min(range(len(values)), key=lambda i: best_of.loss(values[i]), default=-1) if best_of else -1
    return {name: float(column[place]) for name, column in history.items() if len(column)}


def _curves(answer: Any) -> Mapping[str, Any] | None:
    """Returns each metric's values by epoch, of a History or of its `history`; None if it is neither."""
    curves = getattr(answer, "history", answer)
    is_history = isinstance(curves, Mapping) and all(isinstance(values, list) for values in curves.values())
    return curves if is_history and (curves or curves is not answer) else None
