"""Scores of a model's predictions: as means for trials, row by row to compare two models; and a model's cost.

Both come from the same rows, so that the ranking of trials and the registry's gate cannot disagree.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.data.structure import is_several, members, taken
from mlflow_hpo.errors import TrialError

ROUNDING = 1e-3  # by which a probability of float16 may be above 1
LEAST_PROBABILITY = 1e-15  # before the logarithm is taken
PARAMETERS, INFERENCE = "model_parameters", "inference_ms"
BATCH = 32  # rows that are predicted at once
UNTIMED, TIMED = 2, 5  # calls: a framework prepares itself in the first ones
Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Predictions:
    """Predictions for the rows of a part.

    Attributes:
        answers: for each row its class, as a number (-1 if the data have no such class), or its value; of
            several targets the answers for each.
        probabilities: float64 of shape (rows, classes); None if there are none.
    """

    answers: Any
    probabilities: Array | None = None


def read_predictions(answers: Any, data: Data, part: Part) -> Predictions:
    """Reads what a model's `predict` returned.

    Args:
        answers: class numbers, names of `data.labels`, probabilities of shape (rows, classes), those of the
            second of two classes, or values.

    Raises:
        TrialError: the answers have another shape than what is to be predicted.
    """
    if is_several(part.y):
        return Predictions(_as_targets(answers, part.y))
    answers = np.asarray(answers)
    if part.y.ndim > 1:
        _check(answers.size == part.y.size, answers, part.y.shape)
        return Predictions(answers.reshape(part.y.shape).astype(np.float64))
    if data.classes and answers.ndim == 2 and answers.shape[1] > 1:
        _check(answers.shape == (len(part), data.classes), answers, (len(part), data.classes))
        return Predictions(answers.argmax(axis=1), _probabilities(answers.astype(np.float64)))
    _check(answers.size == len(part), answers, (len(part),))
    answers = answers.reshape(len(part))
    if not data.classes:
        return Predictions(answers.astype(np.float64))
    if answers.dtype.kind == "f" and data.classes == 2:
        second = _probabilities(np.stack([0 * answers, answers], axis=1).astype(np.float64), is_second=True)
        return Predictions((second[:, 1] > 0.5).astype(np.int64), second)
    return Predictions(class_numbers(answers, data))


def _probabilities(answers: Array, is_second: bool = False) -> Array:
    """Returns probabilities; answers that are none are logits, as of a model without a last activation.

    Args:
        is_second: the second column holds the probability of the second class, or its logit against zeros.
    """
    if answers.size and (answers.min() < 0 or answers.max() > 1 + ROUNDING):
        from scipy.special import softmax

        return np.asarray(softmax(answers, axis=1))
    return np.stack([1 - answers[:, 1], answers[:, 1]], axis=1) if is_second else answers


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
    model, x = load("pyfunc"), data.test.x
    if isinstance(x, tuple):  # MLflow knows several inputs by their names
        schema = model.metadata.get_input_schema()
        x = dict(zip(schema.input_names(), x, strict=True)) if schema else list(x)
    return read_predictions(model.predict(x), data, data.test)


def _as_targets(answers: Any, y: Any) -> Any:
    """Returns the answers for several targets as those are nested.

    Raises:
        TrialError: there are other answers than targets.
    """
    if isinstance(y, tuple) and isinstance(answers, dict | list):
        answers = tuple(answers.values() if isinstance(answers, dict) else answers)
    if (
        type(answers) is not type(y)
        or len(answers) != len(y)
        or (isinstance(y, dict) and set(y) - set(answers))
    ):
        names = f" {', '.join(map(str, answers))}" if isinstance(answers, dict) else ""
        raise TrialError(
            f"its predictions are a {type(answers).__name__}{names}: expected one for each target"
        )
    return answers


def row_scores(predictions: Predictions, data: Data, part: Part) -> dict[str, Array]:
    """Scores each row.

    Returns:
        Arrays of float64, one value for each row. For classes: `accuracy`, 1 where the class is right and 0
        elsewhere, and `loss`, the cross-entropy, if there are probabilities. For values: `squared` and
        `absolute` errors, and `target`, the values themselves; of several values in a row the mean errors.
        For several targets the sum of their losses, as `loss`. Where rows have weights, these as `weight`.
    """
    weights = {} if part.weights is None else {"weight": part.weights.astype(np.float64)}
    return _row_scores(predictions, data, part) | weights


def _row_scores(predictions: Predictions, data: Data, part: Part) -> dict[str, Array]:
    answers, y = predictions.answers, part.y
    if is_several(y):
        losses = [_losses(*pair) for pair in zip(members(answers), members(y), strict=True)]
        return {"loss": np.sum(losses, axis=0)}
    if not data.classes:
        errors = (answers - y).reshape(len(y), -1)
        rows = {"squared": (errors**2).mean(axis=1), "absolute": np.abs(errors).mean(axis=1)}
        return rows | ({"target": y.astype(np.float64)} if y.ndim == 1 else {})
    rows = {"accuracy": (answers == y).astype(np.float64)}
    if predictions.probabilities is not None:
        of_right_class = predictions.probabilities[np.arange(len(y)), y]
        rows["loss"] = -np.log(np.clip(of_right_class, LEAST_PROBABILITY, 1))
    return rows


def scores(predictions: Predictions, data: Data, part: Part) -> dict[str, float]:
    """Scores all rows together.

    Returns:
        For classes `accuracy` and, if there are probabilities, `loss` (the cross-entropy); for values `r2`,
        `rmse` and `mae`; for several targets their `loss`.
    """
    weights = part.weights
    if data.classes or is_several(part.y):
        rows = _row_scores(predictions, data, part)
        return {name: float(np.average(values, weights=weights)) for name, values in rows.items()}
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    y, answers = (values.reshape(len(part), -1) for values in (part.y, predictions.answers))
    measures = {"r2": r2_score, "rmse": root_mean_squared_error, "mae": mean_absolute_error}
    return {name: float(of(y, answers, sample_weight=weights)) for name, of in measures.items()}


def _losses(answers: Any, y: Array) -> Array:
    """Returns the loss of each row in one of several targets: the cross-entropy of classes, else squared.

    The number of answers for a row tells classes from values, whatever rows there are.
    """
    answers = np.asarray(answers, np.float64).reshape(len(y), -1)
    if y.dtype.kind == "i" and y.ndim == 1 and answers.shape[1] > max(1, y.max(initial=0)):
        right = _probabilities(answers)[np.arange(len(y)), y]
        return np.asarray(-np.log(np.clip(right, LEAST_PROBABILITY, 1)))
    values = y.reshape(len(y), -1)
    if answers.shape != values.shape:
        raise TrialError(f"its predictions have shape {answers.shape}: expected {values.shape}")
    return np.asarray(((answers - values) ** 2).mean(axis=1))


def inference_ms(predict: Callable[[Any], Any], rows: Any) -> float:
    """Returns the milliseconds that predicting the first 32 rows at once takes in this process, undisturbed.

    That is the least of several times: what else runs on the machine only adds to one.
    """
    batch = taken(rows, slice(BATCH))
    times = []
    for _ in range(UNTIMED + TIMED):
        started = time.perf_counter()
        predict(batch)
        times.append(1000 * (time.perf_counter() - started))
    return min(times[UNTIMED:])


def class_numbers(classes: Array, data: Data) -> Array:
    """Returns classes by their numbers; -1 for a name that the data do not have."""
    if classes.dtype.kind in "iufb":
        return classes if classes.dtype.kind == "f" else classes.astype(np.int64)
    numbers = {name: number for number, name in enumerate(data.labels)}
    return np.array([numbers.get(str(name), -1) for name in classes], np.int64)


def _check(fits: bool, answers: Array, expected: tuple[int, ...]) -> None:
    if not fits:
        raise TrialError(f"its predictions have shape {answers.shape}: expected {expected}")
