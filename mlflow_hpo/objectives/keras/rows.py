"""The rows of a data set as TensorFlow takes them: tensors, batches, and the order of an epoch."""

from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part

EVALUATED_AT_ONCE = 1024  # rows
MAX_TENSORS = 8
Rows = tuple[Any, Any]  # inputs and targets, as tensors

_tensors: dict[int, tuple[Any, Any]] = {}  # id of an array -> the array, which keeps its id, and its tensor


def tensor(array: Any) -> Any:
    """Returns the array as a tensor, made once for the arrays of a data set."""
    import tensorflow as tf

    if id(array) not in _tensors:
        while len(_tensors) >= MAX_TENSORS:
            _tensors.pop(next(iter(_tensors)))
        _tensors[id(array)] = (array, tf.constant(array))
    return _tensors[id(array)][1]


def targets(model: Any, data: Data, part: Part) -> Any:
    """Returns the part's targets as the model's loss wants them: one-hot for a categorical cross-entropy."""
    loss = model.loss
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", "")))
    if data.classes and part.y.ndim == 1 and name.startswith("categorical"):
        return _one_hot(part, data.classes)
    return part.y


@lru_cache(maxsize=8)
def _one_hot(part: Part, classes: int) -> Any:
    return np.eye(classes, dtype=np.float32)[part.y]


def batches(x: Any, y: Any) -> Any:
    """Returns a Dataset of rows in batches, to be evaluated."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((tensor(x), tensor(y))).batch(EVALUATED_AT_ONCE)


def shuffled(count: int, seeds: Any) -> Any:
    """Returns the numbers below `count`, in an order that a pair of seeds decides."""
    import tensorflow as tf

    return tf.random.experimental.stateless_shuffle(tf.range(count), seeds)


def shuffled_epochs(x: Any, y: Any, batch: int, seed: int, start: int, stop: int) -> Any:
    """Returns a Dataset of the batches of epochs `start` to `stop`.

    Their order is a function of seed and epoch, so that a unit may begin at any epoch.
    """
    import tensorflow as tf

    x, y = tensor(x), tensor(y)

    def epoch_rows(epoch: Any) -> Any:
        order = shuffled(len(x), tf.stack([seed, epoch]))
        numbers = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        return numbers.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))

    return tf.data.Dataset.range(start, stop).flat_map(epoch_rows).prefetch(tf.data.AUTOTUNE)
