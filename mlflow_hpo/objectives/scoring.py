"""Scores of a model's predictions: as means for trials, row by row to compare two models; and a model's cost.

Both come from the same rows, so that the ranking of trials and the registry's gate cannot disagree.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.errors import TrialError

LEAST_PROBABILITY = 1e-15  # before the logarithm is taken
PARAMETERS, INFERENCE = "model_parameters", "inference_ms"
BATCH = 32  # rows that are predicted at once
UNTIMED, TIMED = 2, 5  # calls: a framework prepares itself in the first ones
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Predictions:
    """Predictions for the rows of a part.

    Attributes:
        answers: for each row its class, as a number (-1 if the data have no such class), or its value.
        probabilities: float64 of shape (rows, classes); None if there are none.
    """

    answers: Array
    probabilities: Array | None = None


def read_predictions(answers: Any, data: Data, part: Part) -> Predictions:
    """Reads what a model's `predict` returned.

    Args:
        answers: class numbers, names of `data.labels`, probabilities of shape (rows, classes), those of the
            second of two classes, or values.

    Raises:
        TrialError: the answers have another shape than what is to be predicted.
    """
    answers = np.asarray(answers)
    if data.classes and answers.ndim == 2 and answers.shape[1] > 1:
        _check(answers.shape == (len(part), data.classes), answers, (len(part), data.classes))
        return Predictions(answers.argmax(axis=1), answers.astype(np.float64))
    _check(answers.size == len(part), answers, (len(part),))
    answers = answers.reshape(len(part))
    if not data.classes:
        return Predictions(answers.astype(np.float64))
    if answers.dtype.kind == "f" and data.classes == 2:
        probabilities = np.stack([1 - answers, answers], axis=1).astype(np.float64)
        return Predictions((answers > 0.5).astype(np.int64), probabilities)
    return Predictions(class_numbers(answers, data))


def predict_with(estimator: Any, data: Data, part: Part) -> Predictions:
    """Predicts a part with a scikit-learn estimator; a class that it has not seen has the probability 0.

    Raises:
        TrialError: as `read_predictions`.
    """
    predictions = read_predictions(estimator.predict(part.x), data, part)
    if not data.classes or not hasattr(estimator, "predict_proba"):
        return predictions
    columns = class_numbers(np.asarray(estimator.classes_), data).astype(np.int64)
    known = (columns >= 0) & (columns < data.classes)
    probabilities = np.zeros((len(part), data.classes))
    probabilities[:, columns[known]] = estimator.predict_proba(part.x)[:, known]
    return replace(predictions, probabilities=probabilities)


def predict_test_part(load: Callable[[str], Any], flavors: Collection[str], data: Data) -> Predictions:
    """Predicts the test part with a logged model.

    Args:
        load: loads the model by a flavor.
        flavors: the flavors that the model has.

    Raises:
        TrialError: as `read_predictions`.
    """
    if "sklearn" in flavors:
        data = flattened(data)
        return predict_with(load("sklearn"), data, data.test)
    return read_predictions(load("pyfunc").predict(data.test.x), data, data.test)


def row_scores(predictions: Predictions, data: Data, part: Part) -> dict[str, Array]:
    """Scores each row.

    Returns:
        Arrays of float64, one value for each row. For classes: `accuracy`, 1 where the class is right and 0
        elsewhere, and `loss`, the cross-entropy, if there are probabilities. For values: `squared` and
        `absolute` errors, and `target`, the values themselves.
    """
    answers, y = predictions.answers, part.y
    if not data.classes:
        errors = answers - y
        return {"squared": errors**2, "absolute": np.abs(errors), "target": y.astype(np.float64)}
    rows = {"accuracy": (answers == y).astype(np.float64)}
    if predictions.probabilities is not None:
        of_right_class = predictions.probabilities[np.arange(len(y)), y]
        rows["loss"] = -np.log(np.clip(of_right_class, LEAST_PROBABILITY, 1))
    return rows


def scores(predictions: Predictions, data: Data, part: Part) -> dict[str, float]:
    """Scores all rows together.

    Returns:
        For classes `accuracy` and, if there are probabilities, `loss` (the cross-entropy); for values `r2`,
        `rmse` and `mae`.
    """
    if data.classes:
        return {name: float(rows.mean()) for name, rows in row_scores(predictions, data, part).items()}
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    return {
        "r2": float(r2_score(part.y, predictions.answers)),
        "rmse": float(root_mean_squared_error(part.y, predictions.answers)),
        "mae": float(mean_absolute_error(part.y, predictions.answers)),
    }


def inference_ms(predict: Callable[[Any], Any], rows: Any) -> float:
    """Returns the median time in milliseconds of predicting the first 32 rows at once, in this process."""
    batch = rows.head(BATCH) if hasattr(rows, "head") else rows[:BATCH]
    taken = []
    for _ in range(UNTIMED + TIMED):
        started = time.perf_counter()
        predict(batch)
        taken.append(1000 * (time.perf_counter() - started))
    return median(taken[UNTIMED:])


def class_numbers(classes: Array, data: Data) -> Array:
    """Returns classes by their numbers; -1 for a name that the data do not have."""
    if classes.dtype.kind in "iufb":
        return classes if classes.dtype.kind == "f" else classes.astype(np.int64)
    numbers = {name: number for number, name in enumerate(data.labels)}
    return np.array([numbers.get(str(name), -1) for name in classes], np.int64)


def _check(fits: bool, answers: Array, expected: tuple[int, ...]) -> None:
    if not fits:
        raise TrialError(f"its predictions have shape {answers.shape}: expected {expected}")
