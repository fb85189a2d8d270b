"""What the steps of a `tf.data.Dataset` tell of its elements. They are read before it travels as a graph.

The names of TensorFlow's classes are private; where none is known, the shapes decide.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

KEEPING = (  # steps whose elements are as those before them
    *("Shuffle", "Map", "ParallelMap", "Prefetch", "Cache", "Repeat", "Take", "TakeWhile", "Skip", "Shard"),
    *("Filter", "Options", "Zip", "Concatenate", "AssertCardinality", "Snapshot", "Unique", "IgnoreErrors"),
    *("DirectedInterleave", "Restructured"),
)
BATCHING = ("Batch", "ParallelBatch", "PaddedBatch", "Rebatch", "MapAndBatch", "Tensor")
SPLITTING = ("TensorSlice", "Unbatch")
ENDING = ("Take", "TakeWhile", "AssertCardinality")


@dataclass(frozen=True)
class Form:
    """What is known of a stream's elements.

    Attributes:
        batched: whether each is a batch of rows, not a row; None: it cannot be told.
        endless: whether it is known to have no end.
    """

    batched: bool | None = True
    endless: bool = False


def form_of(dataset: Any) -> Form:
    """Returns what the steps and the shapes of a tf.data.Dataset tell."""
    return Form(_is_batched(dataset), any(_repeats_for_ever(step) for step in _until_ended(dataset)))


def _is_batched(dataset: Any) -> bool | None:
    shapes = [spec.shape for spec in _leaves(dataset.element_spec) if spec.shape.rank is not None]
    if any(not len(shape) or shape[0] != shapes[0][0] for shape in shapes):
        return False
    for step in _before(dataset):
        name = _name(step)
        if name in BATCHING or name in SPLITTING:
            return name in BATCHING
        if name not in KEEPING:
            break
    return True if not shapes or shapes[0][0] is None else None


def _until_ended(dataset: Any) -> Iterator[Any]:
    """Yields the steps after the last one that ends it."""
    for step in _before(dataset):
        if _name(step) in ENDING:
            return
        yield step


def _before(dataset: Any) -> Iterator[Any]:
    """Yields a Dataset and those that it is made of, the last step first; of joined ones the first."""
    while dataset is not None:
        yield dataset
        inputs: list[Any] = getattr(dataset, "_inputs", list)()
        dataset = inputs[0] if inputs else None


def _name(step: Any) -> str:
    return type(step).__name__.lstrip("_").removesuffix("Dataset")


def _repeats_for_ever(step: Any) -> bool:
    import tensorflow as tf

    if _name(step) != "Repeat":
        return False
    count = tf.get_static_value(getattr(step, "_count", None))
    return count is not None and int(count) < 0


def _leaves(column: Any) -> list[Any]:
    if isinstance(column, dict):
        column = list(column.values())
    return (
        [leaf for part in column for leaf in _leaves(part)] if isinstance(column, list | tuple) else [column]
    )
