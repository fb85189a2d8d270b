"""What estimators are trained on and scored by."""

from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part

EXAMPLE_ROWS = 2


def is_estimator(target: Any) -> bool:
    """Whether it is an estimator, or a class of them."""
    return callable(getattr(target, "fit", None)) and callable(getattr(target, "get_params", None))


def targets(estimator: Any, data: Data, part: Part) -> Any:
    """Classes by their names, so that predictions are names too; only scikit-learn's own take those."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    if data.labels and type(last).__module__.startswith("sklearn."):
        return np.array(data.labels)[part.y]
    return part.y


def head(x: Any) -> Any:
    """The first rows."""
    return x.head(EXAMPLE_ROWS) if hasattr(x, "head") else x[:EXAMPLE_ROWS]


def taken(x: Any, rows: Any) -> Any:
    """Some of the rows, by their places."""
    return x.iloc[rows] if hasattr(x, "iloc") else x[rows]


def share(classes: Any, order: Any, part: float) -> Any:
    """The first rows of an order; of each class the same share, one row at least."""
    if classes is None:
        return order[: max(1, round(len(order) * part))]
    kept = [order[classes[order] == c] for c in np.unique(classes)]
    return np.sort(np.concatenate([rows[: max(1, round(len(rows) * part))] for rows in kept]))


def home(estimator: Any) -> tuple[str, ...]:
    """The package that an estimator of another library comes from."""
    return tuple({type(estimator).__module__.split(".")[0]} - {"sklearn", "mlflow_hpo", "__main__"})
