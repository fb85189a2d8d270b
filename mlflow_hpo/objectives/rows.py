"""What a logged model is worth row by row, whatever framework it is of: what two models are compared by."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import numpy as np

from mlflow_hpo.data import Data
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.errors import TrialError

ACCURACY, LOSS, SQUARED, ABSOLUTE, TARGET = "accuracy", "loss", "squared", "absolute", "target"
LEAST = 1e-15  # of a probability, before its logarithm is taken
Array = np.ndarray[Any, Any]


def row_scores(load: Callable[[str], Any], flavors: Collection[str], data: Data) -> dict[str, Array]:
    """Score a model on each row of the test part.

    Args:
        load: loads the model by a flavor.
        flavors: those that it has.

    Returns:
        Arrays of float64, one value for each row. For classes: `accuracy`, 1 where the class is right and 0
        elsewhere, and `loss`, the cross-entropy, of models that give probabilities. For values: `squared`
        and `absolute` errors, and `target`, the values themselves.

    Raises:
        TrialError: its predictions have another shape than what is to be predicted.
    """
    if "sklearn" in flavors:
        return _of_estimator(load("sklearn"), data)
    return _of_predictions(np.asarray(load("pyfunc").predict(data.test.x)), data)


def _of_estimator(estimator: Any, data: Data) -> dict[str, Array]:
    x = flattened(data).test.x
    found = _of_predictions(np.asarray(estimator.predict(x)), data)
    if data.classes and hasattr(estimator, "predict_proba"):
        known = _numbers(np.asarray(estimator.classes_), data)
        probabilities = np.zeros((len(data.test), data.classes))
        probabilities[:, known] = estimator.predict_proba(x)
        found[LOSS] = _cross_entropies(probabilities, data.test.y)
    return found


def _of_predictions(answers: Array, data: Data) -> dict[str, Array]:
    y = data.test.y
    if data.classes and answers.ndim == 2 and answers.shape[1] > 1:
        _check(answers.shape == (len(y), data.classes), answers, (len(y), data.classes))
        return _of_probabilities(answers, y)
    _check(answers.size == len(y), answers, (len(y),))
    answers = answers.reshape(len(y))
    if not data.classes:
        errors = answers.astype(np.float64) - y
        return {SQUARED: errors**2, ABSOLUTE: np.abs(errors), TARGET: y.astype(np.float64)}
    if answers.dtype.kind == "f" and data.classes == 2:  # the probability of the second class
        return _of_probabilities(np.stack([1 - answers, answers], axis=1), y)
    return {ACCURACY: (_numbers(answers, data) == y).astype(np.float64)}


def _of_probabilities(probabilities: Array, y: Array) -> dict[str, Array]:
    right = (probabilities.argmax(axis=1) == y).astype(np.float64)
    return {ACCURACY: right, LOSS: _cross_entropies(probabilities, y)}


def _cross_entropies(probabilities: Array, y: Array) -> Array:
    right = probabilities[np.arange(len(y)), y].astype(np.float64)
    found: Array = -np.log(np.clip(right, LEAST, 1))
    return found


def _numbers(answers: Array, data: Data) -> Array:
    """Classes by their numbers; -1 for a name that the data do not have."""
    if answers.dtype.kind in "iufb":
        return answers.astype(np.int64)
    known: Mapping[str, int] = {name: number for number, name in enumerate(data.labels)}
    return np.array([known.get(str(name), -1) for name in answers], np.int64)


def _check(fits: bool, answers: Array, expected: tuple[int, ...]) -> None:
    if not fits:
        raise TrialError(f"its predictions have shape {answers.shape}: expected {expected}")
