"""Scores of predictions, for models that bring no evaluation of their own."""

from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part


def scored(data: Data, part: Part, predictions: Any) -> dict[str, float]:
    """The scores of a part's predictions.

    Args:
        predictions: class numbers, names of `data.labels`, probabilities (rows, classes) or (rows, 1), or
            values.

    Returns:
        `accuracy` and, from probabilities, `loss` (the cross-entropy); or `r2`, `rmse` and `mae`.
    """
    answers = np.asarray(predictions)
    if data.classes:
        return _of_classes(data, part, answers)
    return _of_values(part, answers.reshape(len(part)).astype(float))


def _of_values(part: Part, answers: Any) -> dict[str, float]:
    from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

    return {
        "r2": float(r2_score(part.y, answers)),
        "rmse": float(root_mean_squared_error(part.y, answers)),
        "mae": float(mean_absolute_error(part.y, answers)),
    }


def _of_classes(data: Data, part: Part, answers: Any) -> dict[str, float]:
    if answers.ndim == 2 and answers.shape[1] > 1:
        return {"accuracy": _accuracy(part, answers.argmax(axis=1)), "loss": cross_entropy(part.y, answers)}
    answers = answers.reshape(len(part))
    if answers.dtype.kind == "f" and data.classes == 2:  # the probability of the second class
        both = np.stack([1 - answers, answers], axis=1)
        return {"accuracy": _accuracy(part, (answers > 0.5).astype(int)), "loss": cross_entropy(part.y, both)}
    if answers.dtype.kind not in "iufb":
        numbers = {name: number for number, name in enumerate(data.labels)}
        answers = np.array([numbers.get(str(name), -1) for name in answers])
    return {"accuracy": _accuracy(part, answers)}


def _accuracy(part: Part, answers: Any) -> float:
    return float((answers == part.y).mean())


def cross_entropy(y: Any, probabilities: Any) -> float:
    """The mean negative log-probability of the right class."""
    right = np.asarray(probabilities)[np.arange(len(y)), y]
    return float(-np.log(np.clip(right, 1e-15, 1)).mean())
