"""Data whose rows are read as streams. Their parts hold a few rows, from which shapes and types are told."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, REGRESSION, Data, DataSpec, Part, digest
from mlflow_hpo.data.joining import joined
from mlflow_hpo.data.stream import HEAD_ROWS, UNKNOWN, Stream, stream_of
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.user_code import data_title

PARTS = ("train", "validation", "test")
COUNT_SECONDS = 300.0  # in which a stream of unknown length has to end


@dataclass(frozen=True)
class Counted:
    """What is known of streams once the training rows were read.

    Attributes:
        classes: how many, 0 for values.
        rows: to train on.
        digest: see `Data.digest`.
    """

    classes: int
    rows: int
    digest: str


@dataclass(frozen=True)
class RawStreams:
    """The streams that a source brings, by part.

    Attributes:
        labels: names of the classes, if the source knows them.
        counted: what the source knows without reading the rows.
    """

    source: str
    parts: dict[str, Stream]
    labels: tuple[str, ...] = ()
    counted: Counted | None = None


def raw_streams(values: list[Any], spec: DataSpec) -> RawStreams:
    """Names streams by their number: train, validation and test."""
    streams = [stream_of(value, spec.name) for value in values]
    return RawStreams(spec.name, dict(zip(PARTS, streams, strict=False)))


def streamed(spec: DataSpec, raw: RawStreams, name: str) -> Data:
    """Returns data that are read as streams.

    The training stream is read once, to count its rows and the classes, unless spec or source know them.

    Raises:
        ConfigError: something is asked for that needs rows in memory.
        DataError: a stream cannot be read.
    """
    if raw.counted is None:
        _check(spec, name)
    streams = {part: replace(stream, name=name) for part, stream in raw.parts.items()}
    heads = {part: stream.head for part, stream in streams.items()}
    nothing = heads["train"].rows(slice(0))
    counted = raw.counted or (Counted(*spec.known) if spec.known else _count(streams, spec.task))
    return Data(
        name=name,
        source=raw.source,
        digest=counted.digest,
        classes=counted.classes,
        labels=raw.labels,
        train=heads["train"],
        validation=heads.get("validation", nothing),
        test=heads.get("test", nothing),
        streams=streams,
        rows=counted.rows,
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
        ConfigError: see `joined`.
    """
    streams = dict(data.streams or {})
    held_out = streams.pop("validation", None)
    return streams if held_out is None else streams | {"train": joined(streams["train"], held_out)}


def _check(spec: DataSpec, name: str) -> None:
    if spec.fraction < 1:
        raise ConfigError(
            f"fraction: {spec.fraction:g} of a stream cannot be taken: let {name!r} give fewer rows"
        )
    if spec.class_weight:
        raise ConfigError(f"class-weight: is for arrays: let {data_title(name)} give (x, y, weights)")


def _count(streams: dict[str, Stream], task: str) -> Counted:
    """Reads the training rows once; the others, too, if they may have no end."""
    y, rows, of_class = streams["train"].head.y, 0, np.zeros(0, np.int64)
    one_hot = not is_several(y) and y.ndim == 2 and y.shape[1] > 1 and _is_one_hot(y)
    whole = not is_several(y) and y.dtype.kind in "biu" and (y.ndim == 1 or y.shape[1:] == (1,))
    is_class = task != REGRESSION and not is_several(y) and (one_hot or whole or task == CLASSIFICATION)
    for part in _ending(streams["train"]):
        rows += len(part)
        if is_class:
            of_class = _added(of_class, part.y.argmax(axis=1) if one_hot else part.y.ravel())
    for stream in [*streams.values()][1:]:
        if stream.length == UNKNOWN:
            any(False for _ in _ending(stream))
    classes = 0 if not is_class else y.shape[1] if one_hot else max(len(of_class), 2)
    return Counted(classes, rows, _digest(streams, of_class))


def _ending(stream: Stream) -> Iterator[Part]:
    """Yields the parts of a stream, whose length may have to show within some time.

    Raises:
        DataError: it has not ended by then.
    """
    start, rows = time.monotonic(), 0
    for part in stream.parts():
        yield part
        rows += len(part)
        if stream.length == UNKNOWN and time.monotonic() - start > COUNT_SECONDS:
            raise DataError(
                f"{data_title(stream.name)}: its stream has not ended after {rows:,} rows in "
                f"{COUNT_SECONDS:g} s: take() as much as an epoch has, or say how much that is with "
                "tf.data.experimental.assert_cardinality"
            )


def _added(counts: Any, classes: Any) -> Any:
    """Returns the number of rows of each class, with those of a batch."""
    if classes.dtype.kind == "f" and not (classes == classes.astype(np.int64)).all():
        raise DataError(
            f"task: classification is for whole numbers, and y has {classes[classes % 1 != 0][0]:g}"
        )
    if classes.size and classes.min() < 0:
        raise DataError(f"y has the class {int(classes.min())}: the classes of a stream are numbers from 0")
    more = np.bincount(classes.astype(np.int64), minlength=len(counts))
    more[: len(counts)] += counts
    return more


def _digest(streams: dict[str, Stream], of_class: Any) -> str:
    """Returns `Data.digest`: of the shapes, the classes and, where they are not at random, the first rows."""
    sha = sha256(repr([(part, stream.shape) for part, stream in streams.items()]).encode())
    sha.update(np.asarray(of_class).tobytes())
    for stream in streams.values():
        first, again = (digest(_first_rows(stream)) for _ in range(2))
        sha.update(first.encode() if first == again else b"")
    return sha.hexdigest()[:12]


def _first_rows(stream: Stream) -> Part:
    """Returns as many rows as are looked at, of several batches if these are small."""
    batches = stream.parts()
    rows = next(batches)
    while len(rows) < HEAD_ROWS and (more := next(batches, None)) is not None:
        rows = rows.and_then(more)
    return rows.rows(slice(HEAD_ROWS))


def _is_one_hot(y: Any) -> bool:
    return bool((((y == 0) | (y == 1)).all(axis=1) & (y.sum(axis=1) == 1)).all())
