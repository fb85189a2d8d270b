"""The rows of a data set as TensorFlow takes them: tensors, batches, and the order of an epoch."""

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.structure import count, each, is_several, members

EVALUATED_AT_ONCE = 1024  # rows
MAX_TENSORS = 12
Rows = tuple[Any, ...]  # inputs and targets, and perhaps weights, as tensors; several are a dict or a tuple

_tensors: dict[int, tuple[Any, Any]] = {}  # id of what is kept -> itself, which keeps its id, and its tensors


def tensors(columns: Sequence[Any]) -> Rows:
    """Returns inputs, targets and weights as tensors, made once for those of a data set; None is left out."""
    return tuple(tensor(column) for column in columns if column is not None)


def tensor(column: Any) -> Any:
    """Returns one of these as a tensor, or each of several."""
    import tensorflow as tf

    if id(column) not in _tensors:
        while len(_tensors) >= MAX_TENSORS:
            _tensors.pop(next(iter(_tensors)))
        _tensors[id(column)] = (column, each(tf.constant, column))
    return _tensors[id(column)][1]


def chosen(rows: Rows, numbers: Any) -> Rows:
    """Returns the rows with these numbers, inside a graph."""
    import tensorflow as tf

    return tuple(each(lambda column: tf.gather(column, numbers), columns) for columns in rows)


def between(rows: Rows, start: Any, stop: Any) -> Rows:
    """Returns the rows from a number up to another, inside a graph."""
    return tuple(each(lambda column: column[start:stop], columns) for columns in rows)


def targets(model: Any, data: Data, part: Part) -> Any:
    """Returns the part's targets as the model's loss wants them: one-hot for a categorical cross-entropy."""
    loss = model.loss
    if is_several(part.y) or data.streams:
        return part.y
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", "")))
    if data.classes and part.y.ndim == 1 and name.startswith("categorical"):
        return _one_hot(part, data.classes)
    return part.y


def fit_arguments(model: Any, data: Data, batch: int | None = None) -> dict[str, Any]:
    """Returns the arguments of `fit` for the training rows and, if there are any, the validation rows.

    Args:
        batch: rows in a batch of a stream; None: as it has them.
    """
    if data.streams:
        names = {"x": "train", "validation_data": "validation"}
        given = {
            argument: data.streams[part].batched for argument, part in names.items() if part in data.streams
        }
        return given | {"x": data.streams["train"].fitted(batch)}
    held_out, rows = data.validation, {"x": data.train.x, "y": targets(model, data, data.train)}
    if data.training_weights is not None:
        rows["sample_weight"] = data.training_weights
    if len(held_out):
        columns = (held_out.x, targets(model, data, held_out), held_out.weights)
        rows["validation_data"] = columns[:2] if held_out.weights is None else columns
    return rows


def first_rows(x: Any, rows: int) -> Any:
    """Returns the first rows of the inputs that a user's code trains on; None if they cannot be told.

    Args:
        x: what `fit` takes: an array, several in a dict or a list, or a Dataset of batches.
    """
    with suppress(Exception):
        if hasattr(x, "element_spec"):
            batch = next(iter(x.take(1)))
            x = batch[0] if isinstance(batch, tuple) else batch
        x = tuple(x) if isinstance(x, list) else x
        found = each(lambda column: np.asarray(column[:rows]), x)
        return found if all(column.dtype.kind in "fiubUSO" for column in members(found)) else None
    return None


@lru_cache(maxsize=8)
def _one_hot(part: Part, classes: int) -> Any:
    return np.eye(classes, dtype=np.float32)[part.y]


def batches(*columns: Any) -> Any:
    """Returns a Dataset of rows in batches, to be evaluated; takes what `tensors` does."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(tensors(columns)).batch(EVALUATED_AT_ONCE)


def shuffled(count: int, seeds: Any) -> Any:
    """Returns the numbers below `count`, in an order that a pair of seeds decides."""
    import tensorflow as tf

    return tf.random.experimental.stateless_shuffle(tf.range(count), seeds)


def shuffled_epochs(columns: Sequence[Any], batch: int, seed: int, start: int, stop: int) -> Any:
    """Returns a Dataset of the batches of epochs `start` to `stop`; takes what `tensors` does.

    Their order is a function of seed and epoch, so that a unit may begin at any epoch.
    """
    import tensorflow as tf

    rows = tensors(columns)

    def epoch_rows(epoch: Any) -> Any:
        order = shuffled(count(rows[0]), tf.stack([seed, epoch]))
        return tf.data.Dataset.from_tensor_slices(order).batch(batch).map(lambda i: chosen(rows, i))

    return tf.data.Dataset.range(start, stop).flat_map(epoch_rows).prefetch(tf.data.AUTOTUNE)
