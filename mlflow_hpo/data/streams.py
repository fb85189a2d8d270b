"""Rows that are read batch by batch, each time they are wanted: `tf.data.Dataset`s and Keras's `PyDataset`s.

The parts of their `Data` hold a few rows, from which shapes and types are told. No framework is imported
before a stream is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import sha256
from typing import Any

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, REGRESSION, Data, DataSpec, Part
from mlflow_hpo.data.structure import each, is_several, shape_of
from mlflow_hpo.errors import ConfigError, DataError, HpoError, one_line
from mlflow_hpo.user_code import data_title

HEAD_ROWS = 32  # that are looked at
BATCH = 32  # rows, where a stream gives single ones
ENDLESS, UNKNOWN = -1, -2  # cardinalities of a tf.data.Dataset
PARTS = ("train", "validation", "test")
KEEP_STATE = 1  # TensorFlow's number for: what is at random begins again where a graph is read
EXPECTED = "pairs (x, y) or triples (x, y, weights)"


@dataclass(frozen=True, eq=False)
class Stream:
    """A part's rows.

    Attributes:
        source: a tf.data.Dataset or a PyDataset.
        name: of the data, for errors.
    """

    source: Any
    name: str

    def __reduce__(self) -> Any:
        """Pickles a tf.data.Dataset as its graph; a PyDataset as itself."""
        if self.is_own:
            return Stream, (self.source, self.name)
        return _from_graph, (self._graph(), self.source.element_spec, self.name)

    @property
    def is_own(self) -> bool:
        """Tells whether it is a PyDataset, whose batches are the user's."""
        return not hasattr(self.source, "element_spec")

    @cached_property
    def batched(self) -> Any:
        """The source, in batches: single rows have no first dimension that all their members share."""
        if self.is_own:
            return self.source
        shapes = [spec.shape for spec in _leaves(self._elements) if spec.shape.rank is not None]
        single = any(not len(shape) or shape[0] != shapes[0][0] for shape in shapes)
        return self.source.batch(BATCH) if single else self.source

    def fitted(self, batch: int | None = None) -> Any:
        """Returns what `fit` takes.

        Args:
            batch: rows in a batch; None: as the stream has them.

        Raises:
            ConfigError: a PyDataset makes its own batches.
        """
        if batch is None:
            return self.batched
        if self.is_own:
            raise ConfigError(
                f"batch_size: {data_title(self.name)} is a PyDataset, which makes its own batches"
            )
        return self.batched.rebatch(batch)

    def parts(self) -> Iterator[Part]:
        """Yields the rows of each batch as arrays.

        Raises:
            DataError: they cannot be read, or are no pairs or triples.
        """
        batches = self._elements_read()
        while True:
            try:
                element = next(batches, None)
            except HpoError:
                raise
            except Exception as error:  # whatever the user's code raises
                raise DataError(
                    f"{data_title(self.name)}: its stream cannot be read: {one_line(error)}"
                ) from error
            if element is None:
                return
            if not isinstance(element, tuple | list) or len(element) not in (2, 3):
                raise self._unexpected()
            x, y, *weights = (_arrays(column) for column in element)
            yield Part(x, y, *weights)

    @cached_property
    def head(self) -> Part:
        """The first rows.

        Raises:
            DataError: there are none, or they cannot be read, never end or are words.
        """
        self._check_end()
        first = next(self.parts(), None)
        if first is None or not len(first):
            raise DataError(f"{data_title(self.name)}: its stream is empty")
        if not is_several(first.y) and first.y.dtype.kind in "OSU":
            raise DataError(
                f"{data_title(self.name)}: the y of a stream holds words: give classes by their numbers"
            )
        return first.rows(slice(HEAD_ROWS))

    @property
    def shape(self) -> str:
        """Describes its elements and how many there are, the same in every process."""
        head, columns = self.head, (self.head.x, self.head.y)
        kinds = [each(lambda column: str(column.dtype), column) for column in columns]
        length = self.source.num_batches if self.is_own else int(self.source.cardinality())
        return repr((*map(shape_of, columns), *kinds, head.weights is None, length))

    @property
    def _elements(self) -> Any:
        elements = self.source.element_spec
        if not isinstance(elements, tuple) or len(elements) not in (2, 3):
            raise self._unexpected()
        return elements

    def _elements_read(self) -> Iterator[Any]:
        if not self.is_own:
            yield from self.batched.as_numpy_iterator()
            return
        yield from (self.source[number] for number in range(self.source.num_batches))

    def _check_end(self) -> None:
        endless = (
            self.source.num_batches is None if self.is_own else int(self.source.cardinality()) == ENDLESS
        )
        if endless:
            kind = "PyDataset" if self.is_own else "tf.data.Dataset"
            raise DataError(
                f"{data_title(self.name)} gave a {kind} without an end: take() as much as an epoch has"
            )

    def _unexpected(self) -> DataError:
        return DataError(f"{data_title(self.name)}: a stream gives {EXPECTED}")

    def _graph(self) -> bytes:
        import tensorflow as tf

        graph: bytes = tf.raw_ops.DatasetToGraphV2(
            input_dataset=tf.data.experimental.to_variant(self.source),
            external_state_policy=KEEP_STATE,
            strip_device_assignment=True,
        ).numpy()
        if b"PyFunc" in graph:
            raise ConfigError(
                "data: this tf.data.Dataset calls Python, as from_generator does, and cannot be sent to the "
                "workers: give a function that makes it"
            )
        return graph


@dataclass(frozen=True)
class RawStreams:
    """The streams that a source brings, by part."""

    source: str
    parts: dict[str, Stream]


def is_stream(value: Any) -> bool:
    """Tells whether it is a tf.data.Dataset or a PyDataset."""
    is_tf = hasattr(value, "as_numpy_iterator") and hasattr(value, "cardinality")
    return is_tf or any(c.__name__ == "PyDataset" for c in type(value).__mro__)


def raw_streams(values: list[Any], spec: DataSpec) -> RawStreams:
    """Names streams by their number: train, validation and test."""
    streams = [Stream(value, spec.name) for value in values]
    return RawStreams(spec.name, dict(zip(PARTS, streams, strict=False)))


def streamed(spec: DataSpec, raw: RawStreams, name: str) -> Data:
    """Returns data that are read as streams.

    The training stream is read once, to count its rows and the classes, unless the spec has them.

    Raises:
        ConfigError: something is asked for that needs rows in memory.
        DataError: a stream cannot be read.
    """
    _check(spec, name)
    streams = {part: Stream(stream.source, name) for part, stream in raw.parts.items()}
    heads = {part: stream.head for part, stream in streams.items()}
    nothing = heads["train"].rows(slice(0))
    classes, rows = spec.known or _counted(streams["train"], spec.task)
    text = repr([(part, stream.shape) for part, stream in streams.items()])
    return Data(
        name=name,
        source=raw.source,
        digest=sha256(text.encode()).hexdigest()[:12],
        classes=classes,
        labels=(),
        train=heads["train"],
        validation=heads.get("validation", nothing),
        test=heads.get("test", nothing),
        streams=streams,
        rows=rows,
    )


def for_scores(data: Data, part: Part) -> Part:
    """Returns rows of a stream with their targets as scores take them: classes by their numbers."""
    if is_several(part.y):
        return part
    y = part.y[:, 0] if part.y.ndim == 2 and part.y.shape[1] == 1 else part.y
    if data.classes:
        y = (y.argmax(axis=1) if y.ndim == 2 else y).astype(np.int64)
    return Part(part.x, y, part.weights)


def in_memory(data: Data) -> Data:
    """Returns the rows of streams that are in memory as data of their own, to try something on."""
    train, validation = (for_scores(data, part) for part in (data.train, data.validation))
    return replace(data, streams=None, train=train, validation=validation) if data.streams else data


def check_rows(data: Data | None, what: str) -> None:
    """Raises ConfigError if something that is trained on arrays would be given a stream."""
    if data is not None and data.streams:
        raise ConfigError(f"{data.title}: streams are for Keras models, and this is {what}: give arrays")


def joined_streams(data: Data) -> dict[str, Stream]:
    """Returns the streams with the validation rows after the training rows.

    Raises:
        ConfigError: they are PyDatasets, which cannot be joined.
    """
    streams = dict(data.streams or {})
    train, held_out = streams["train"], streams.pop("validation", None)
    if held_out is None:
        return streams
    if train.is_own or held_out.is_own:
        raise ConfigError(f"final: the PyDatasets of {data.title} cannot be joined: give final=false")
    return streams | {"train": Stream(train.batched.concatenate(held_out.batched), train.name)}


def _check(spec: DataSpec, name: str) -> None:
    if spec.fraction < 1:
        raise ConfigError(
            f"fraction: {spec.fraction:g} of a stream cannot be taken: let {name!r} give fewer rows"
        )
    if spec.class_weight:
        raise ConfigError(f"class-weight: is for arrays: let {data_title(name)} give (x, y, weights)")


def _counted(stream: Stream, task: str) -> tuple[int, int]:
    """Returns the number of classes, 0 for values, and of the rows."""
    y, rows, most = stream.head.y, 0, -1
    one_hot = not is_several(y) and y.ndim == 2 and y.shape[1] > 1 and _is_one_hot(y)
    whole = not is_several(y) and y.dtype.kind in "biu" and (y.ndim == 1 or y.shape[1:] == (1,))
    is_class = task != REGRESSION and (one_hot or whole or task == CLASSIFICATION)
    if is_several(y):
        is_class = False
    for part in stream.parts():
        rows += len(part)
        if is_class and not one_hot:
            most = max(most, int(part.y.max()))
    if not is_class:
        return 0, rows
    return (y.shape[1] if one_hot else max(most + 1, 2)), rows


def _is_one_hot(y: Any) -> bool:
    return bool((((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)).all())


def _arrays(column: Any) -> Any:
    """Returns tensors of any framework as arrays; a list of them as a tuple."""
    return each(np.asarray, tuple(column) if isinstance(column, list) else column)


def _leaves(column: Any) -> list[Any]:
    if isinstance(column, dict):
        column = list(column.values())
    return (
        [leaf for part in column for leaf in _leaves(part)] if isinstance(column, list | tuple) else [column]
    )


def _from_graph(graph: bytes, elements: Any, name: str) -> Stream:
    import tensorflow as tf

    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph)
    return Stream(tf.data.experimental.from_variant(variant, elements), name)
