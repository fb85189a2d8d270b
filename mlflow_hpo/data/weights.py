"""How much rows count in training, by themselves and by their class."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import DataError

BALANCED = "balanced"  # each class counts as much as any other, whatever its rows


def class_weight_text(value: Any) -> str | None:
    """Returns class weights as text: `balanced`, or a JSON object of a weight for each class's name.

    Args:
        value: a dict, or text of one of these forms; empty: None is returned.

    Raises:
        ValueError: it is nothing of these.
    """
    if value in (None, "", BALANCED):
        return value or None
    expected = ValueError(f'must be {BALANCED}, or a number for each class, as {{"no": 1, "yes": 3}}')
    try:
        given = value if isinstance(value, Mapping) else json.loads(value)
        weights = {class_name(name): float(weight) for name, weight in given.items()}
    except (AttributeError, TypeError, ValueError):
        raise expected from None
    if not weights or not all(0 <= weight < np.inf for weight in weights.values()):
        raise expected
    return json.dumps(weights)


def class_name(value: Any) -> str:
    """Returns what a class is called: a whole number without a fraction."""
    if isinstance(value, bytes):  # a TensorFlow string
        return value.decode(errors="replace")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def training_weights(text: str, y: Any, weights: Any, classes: Sequence[str]) -> Any:
    """Returns how much each row counts in training; None if all count the same.

    Args:
        text: see `class_weight_text`; or empty.
        weights: of the rows by themselves; or None.
        classes: the names of the classes, by number.
    """
    if not text:
        return weights
    of_class = _balanced(y, len(classes)) if text == BALANCED else _given(json.loads(text), classes)
    of_rows = of_class[y].astype(np.float32)
    return of_rows if weights is None else of_rows * weights


def check_class_weight(text: str, classes: Sequence[str], y: Any) -> None:
    """Raises DataError if there are no classes, or none of a name.

    Args:
        y: the targets.
    """
    if text and not classes:
        several = is_several(y) or y.ndim > 1
        raise DataError(
            f"class-weight: {text} is for one target, and there are several: give (x, y, weights)"
            if several
            else f"class-weight: {text} is for classes, and there are values"
        )
    named = {} if text in ("", BALANCED) else json.loads(text)
    if strange := [name for name in named if name not in classes]:
        raise DataError(f"class-weight: {strange[0]!r} is no class: they are {', '.join(classes)}")


def _balanced(y: Any, classes: int) -> Any:
    counts = np.bincount(y, minlength=classes)
    return len(y) / (np.count_nonzero(counts) * np.maximum(counts, 1))


def _given(weights: Mapping[str, float], classes: Sequence[str]) -> Any:
    return np.array([weights.get(name, 1.0) for name in classes])
