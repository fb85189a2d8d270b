"""Rows and targets as estimators take them."""

from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.errors import SetupError

EXAMPLE_ROWS = 2
SAMPLE_WEIGHT = "sample_weight"


def is_estimator(target: Any) -> bool:
    """Tells whether it is an estimator, or a class of them."""
    return callable(getattr(target, "fit", None)) and callable(getattr(target, "get_params", None))


def last_step(estimator: Any) -> tuple[str, Any]:
    """Returns the last step of a Pipeline, or the estimator itself, after what leads its params' names."""
    if not hasattr(estimator, "steps"):
        return "", estimator
    name, last = estimator.steps[-1]
    return f"{name}__", last


def targets(estimator: Any, data: Data, part: Part) -> Any:
    """Returns classes by their names, so that predictions are names; only scikit-learn's own take those."""
    if data.labels and type(last_step(estimator)[1]).__module__.startswith("sklearn."):
        return np.array(data.labels)[part.y]
    return part.y


def head(x: Any) -> Any:
    """Returns the first rows."""
    return x.head(EXAMPLE_ROWS) if hasattr(x, "head") else x[:EXAMPLE_ROWS]


def taken(x: Any, rows: Any) -> Any:
    """Returns some of the rows, by their positions."""
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]


def weights(estimator: Any, data: Data, rows: Any = slice(None)) -> dict[str, Any]:
    """Returns the argument of `fit` that weighs some of the training rows; nothing if all count the same.

    Raises:
        SetupError: the estimator cannot weigh rows.
    """
    if data.training_weights is None:
        return {}
    from sklearn.utils.validation import has_fit_parameter

    prefix, last = last_step(estimator)
    if not has_fit_parameter(last, SAMPLE_WEIGHT):
        raise SetupError(
            f"weights: {type(last).__name__} cannot weigh rows: its fit takes no {SAMPLE_WEIGHT}"
        )
    return {prefix + SAMPLE_WEIGHT: data.training_weights[rows]}


def share(classes: Any, order: Any, part: float) -> Any:
    """Returns the first rows of an order; the same share of each class, one row at least."""
    if classes is None:
        return order[: max(1, round(len(order) * part))]
    by_class = [order[classes[order] == c] for c in np.unique(classes)]
    return np.sort(np.concatenate([rows[: max(1, round(len(rows) * part))] for rows in by_class]))
