"""One part's rows, read batch by batch each time they are wanted: a `tf.data.Dataset` or Keras's `PyDataset`.

No framework is imported before a stream is read.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from mlflow_hpo.data.base import Part
from mlflow_hpo.data.steps import Form, form_of
from mlflow_hpo.data.structure import each, is_several, shape_of
from mlflow_hpo.errors import ConfigError, DataError, HpoError, one_line
from mlflow_hpo.user_code import data_title

HEAD_ROWS = 32  # that are looked at
BATCH = 32  # rows, where a stream gives single ones
ENDLESS, UNKNOWN = -1, -2  # cardinalities of a tf.data.Dataset
MOST_BATCHES = 10**9  # that a PyDataset which ends may have
KEEP_STATE = 1  # TensorFlow's number for: what is at random begins again where a graph is read
EXPECTED = "pairs (x, y) or triples (x, y, weights)"


@dataclass(frozen=True, eq=False)
class Stream:
    """A part's rows.

    Attributes:
        source: a tf.data.Dataset or a PyDataset.
        name: of the data, for errors.
        form: what the steps of a tf.data.Dataset tell.
    """

    source: Any
    name: str
    form: Form = field(default=Form())

    def __reduce__(self) -> Any:
        """Pickles a tf.data.Dataset as its graph; a PyDataset as itself."""
        if self.is_own:
            return Stream, (self.source, self.name)
        return _from_graph, (_graph(self.source), self.source.element_spec, self.name, self.form)

    @property
    def is_own(self) -> bool:
        """Tells whether it is a PyDataset, whose batches are the user's."""
        return not hasattr(self.source, "element_spec")

    @property
    def length(self) -> int:
        """How many elements there are, or that there is no end, or that it is not known.

        Raises:
            DataError: a PyDataset cannot say it.
        """
        if not self.is_own:
            return ENDLESS if self.form.endless else int(self.source.cardinality())
        try:
            batches = self.source.num_batches
            return ENDLESS if batches is None or batches > MOST_BATCHES else int(batches)
        except Exception as error:  # whatever the user's code raises
            raise DataError(
                f"{data_title(self.name)}: its PyDataset does not say how many batches it has: "
                f"{one_line(error)}"
            ) from error

    @cached_property
    def batched(self) -> Any:
        """The source, in batches.

        Raises:
            DataError: whether it gives rows or batches cannot be told.
        """
        if self.is_own or self.form.batched:
            return self.source
        if self.form.batched is None:
            x, y, *_ = self._elements
            shapes = " and ".join(str(tuple(each(lambda v: v.shape, column))) for column in (x, y))
            raise DataError(
                f"{data_title(self.name)}: whether an element of shapes {shapes} is a row or a batch cannot "
                f"be told: batch({BATCH}) rows, rebatch({BATCH}) batches"
            )
        return self.source.batch(BATCH)

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
            x, y, *weights = (arrays_of(column) for column in element)
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
        return repr((*map(shape_of, columns), *kinds, head.weights is None, self.length))

    @property
    def _elements(self) -> Any:
        elements = self.source.element_spec
        if not isinstance(elements, tuple) or len(elements) not in (2, 3):
            raise self._unexpected()
        return elements

    def _elements_read(self) -> Iterator[Any]:
        if not self.is_own:
            _ = self._elements
            yield from self.batched.as_numpy_iterator()
            return
        yield from (self.source[number] for number in range(self.length))

    def _check_end(self) -> None:
        if self.length == ENDLESS:
            kind = "PyDataset" if self.is_own else "tf.data.Dataset"
            raise DataError(
                f"{data_title(self.name)} gave a {kind} without an end: "
                + ("let it have as many batches" if self.is_own else "take() as much")
                + " as an epoch has"
            )

    def _unexpected(self) -> DataError:
        return DataError(f"{data_title(self.name)}: a stream gives {EXPECTED}")


def is_stream(value: Any) -> bool:
    """Tells whether it is a tf.data.Dataset or a PyDataset."""
    is_tf = hasattr(value, "as_numpy_iterator") and hasattr(value, "cardinality")
    return is_tf or any(c.__name__ == "PyDataset" for c in type(value).__mro__)


def stream_of(value: Any, name: str) -> Stream:
    """Returns a tf.data.Dataset or a PyDataset as a stream of a data set."""
    return Stream(value, name, form_of(value) if hasattr(value, "element_spec") else Form())


def arrays_of(column: Any) -> Any:
    """Returns tensors of any framework as arrays; a list of them as a tuple."""
    return each(np.asarray, tuple(column) if isinstance(column, list) else column)


def _graph(dataset: Any) -> bytes:
    import tensorflow as tf

    graph: bytes = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset),
        external_state_policy=KEEP_STATE,
        strip_device_assignment=True,
    ).numpy()
    if b"PyFunc" in graph:
        raise ConfigError(
            "data: this tf.data.Dataset calls Python, as from_generator does, and cannot be sent to the "
            "workers: give a function that makes it"
        )
    return graph


def _from_graph(graph: bytes, elements: Any, name: str, form: Form) -> Stream:
    import tensorflow as tf

    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph)
    return Stream(tf.data.experimental.from_variant(variant, elements), name, form)
