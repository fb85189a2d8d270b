"""Puts the rows of one stream after those of another, as a final training has them."""

from typing import Any

import numpy as np

from mlflow_hpo.data.base import Part
from mlflow_hpo.data.stream import Stream, arrays_of
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.user_code import data_title


def joined(first: Stream, second: Stream) -> Stream:
    """Returns the rows of both; where one has weights, those of the other count as one.

    Raises:
        ConfigError: one is a tf.data.Dataset and the other none, or their rows are of other types.
    """
    weighted = any(stream.head.weights is not None for stream in (first, second))
    try:
        if first.is_own and second.is_own:
            return Stream(_all_batches(first.source, second.source, weighted), first.name)
        ahead, behind = (_weighted(stream, weighted) for stream in (first, second))
        return Stream(ahead.concatenate(behind), first.name)
    except (AttributeError, TypeError, ValueError):
        raise ConfigError(
            f"final: the validation rows of {data_title(first.name)} cannot follow the training rows in one "
            "stream, being of another kind: give final=false"
        ) from None


def _weighted(stream: Stream, weighted: bool) -> Any:
    """Returns the batches of a tf.data.Dataset, as triples where the other stream has weights."""
    import tensorflow as tf

    if not weighted or stream.head.weights is not None:
        return stream.batched
    return stream.batched.map(lambda x, y: (x, y, tf.ones(tf.shape(tf.nest.flatten(y)[0])[:1])))


def _all_batches(first: Any, second: Any, weighted: bool) -> Any:
    """Returns a PyDataset with the batches of two."""
    from keras.utils import PyDataset

    class Joined(PyDataset):  # type: ignore[misc]
        @property
        def num_batches(self) -> int:
            return int(first.num_batches + second.num_batches)

        def __getitem__(self, number: int) -> Any:
            ahead = first.num_batches
            batch = first[number] if number < ahead else second[number - ahead]
            if not weighted or len(batch) > 2:
                return batch
            return (*batch, np.ones(len(Part(*map(arrays_of, batch))), np.float32))

        def on_epoch_begin(self) -> None:
            first.on_epoch_begin()

        def on_epoch_end(self) -> None:
            first.on_epoch_end()

    return Joined()
