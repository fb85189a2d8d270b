"""Data sets: how one is named, its three parts, its digest."""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

from mlflow_hpo.data.structure import count, is_table, joined, members, shape_of, taken
from mlflow_hpo.data.weights import training_weights
from mlflow_hpo.user_code import data_title

if TYPE_CHECKING:
    from mlflow_hpo.data.stream import Stream

Array = NDArray[Any]
AUTO, CLASSIFICATION, REGRESSION = "auto", "classification", "regression"
TASKS = (AUTO, CLASSIFICATION, REGRESSION)


@dataclass(frozen=True)
class Roles:
    """The columns of a table that are neither inputs nor predicted, each by its name.

    Attributes:
        weight: how much each row counts.
        group: rows with the same value are never in different parts.
        time: rows are tested on what comes after those that are trained on.
        part: which part a row is in.
    """

    weight: str | None = None
    group: str | None = None
    time: str | None = None
    part: str | None = None


@dataclass(frozen=True)
class DataSpec:
    """All that a process needs to know to load a data set.

    Attributes:
        name: a built-in data set, a path, `module:function`, or "" for no data at all.
        seed: of the split.
        target: the column of a table to predict.
        roles: its columns that are neither inputs nor predicted.
        task: `classification`, `regression`, or `auto` to infer it from the target.
        fraction: of the training and validation rows to keep, above 0 and up to 1. The test part stays whole.
        image_size: height and width in pixels, for a folder of images.
        content: the digest of data that Python gave, or were fetched (`user_code.read_content`); or empty.
        positive: the class of two that is the positive one; None: the second in sorted order.
        class_weight: how much each class counts in training, see `class_weight_text`; or empty.
        read_options: of pandas, as a JSON object, for a table in a file; or empty.
        splits: the digest of the folds that Python gave (`splits.Splits`); or empty.
        known: of streams that were read already, their classes, training rows and digest (`streams.Counted`).
    """

    name: str
    seed: int = 0
    target: str | None = None
    task: str = AUTO
    fraction: float = 1.0
    image_size: int = 64
    content: str = ""
    positive: str | None = None
    class_weight: str = ""
    roles: Roles = Roles()
    read_options: str = ""
    splits: str = ""

    @property
    def title(self) -> str:
        """What begins a message about the data."""
        return data_title(self.name)

    known: tuple[int, int, str] | None = None

    @property
    def columns(self) -> dict[str, str]:
        """The columns that are named, by the option that names them."""
        roles = {f"{role}-column": name for role, name in asdict(self.roles).items()}
        return {option: name for option, name in {"target": self.target, **roles}.items() if name is not None}


@dataclass(frozen=True, eq=False)
class Part:
    """Rows of a data set.

    Attributes:
        x: inputs: an array, float32 (or strings), of shape (rows, ...), or a pandas DataFrame of raw values;
            several inputs are a dict or a tuple of arrays.
        y: targets: int64 classes from 0, or float32 values of shape (rows, ...); or several.
        weights: how much each row counts, float32; None: all the same.
        group: the number of each row's group; None: each may be cut from any other.
        time: a number for each row that grows with time; None: their order means nothing.
    """

    x: Any
    y: Any
    weights: Array | None = None
    group: Array | None = None
    time: Array | None = None

    def __len__(self) -> int:
        return count(self.y)

    def rows(self, index: Array | slice) -> "Part":
        """Returns the rows at these positions, in this order."""
        return Part(*(None if v is None else taken(v, index) for v in self._columns))

    def and_then(self, other: "Part") -> "Part":
        """Returns these rows, followed by those of the other part."""
        pairs = zip(self._columns, other._columns, strict=True)
        return Part(*(None if mine is None else joined(mine, theirs) for mine, theirs in pairs))

    @property
    def _columns(self) -> tuple[Any, ...]:
        return self.x, self.y, self.weights, self.group, self.time


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in its three parts.

    Attributes:
        source: describes where it came from.
        digest: first 12 hex digits of the SHA-256 of all rows, in their order.
        classes: number of classes; 0 for regression.
        labels: names of the classes, by number; () if they are numbers from 0.
        positive: of two classes the number of the one that precision, recall and their like are about.
        cuts: the folds as Python gave them: the positions of the rows to train and to validate on among those
            of the training and the validation part; () if the rule of the rows says.
        is_text: the one column of the inputs was given as a Series, list or array of strings, not as a table.
        streams: where the rows are read as streams, these by part; the parts then hold a few of the rows.
        rows: the number of training rows of a stream.
    """

    name: str
    source: str
    digest: str
    classes: int
    labels: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    positive: int = 1
    class_weight: str = ""
    cuts: tuple[tuple[Array, Array], ...] = ()
    is_text: bool = False

    @property
    def title(self) -> str:
        """What begins a message about the data."""
        return data_title(self.name)

    streams: Mapping[str, "Stream"] | None = None
    rows: int = 0

    @property
    def counts(self) -> dict[str, int | None]:
        """The number of rows in each part; None if it is not known."""
        counts: dict[str, int | None] = {}
        for part in ("train", "validation", "test"):
            counts[part] = None if self.streams and part in self.streams else len(getattr(self, part))
        return counts | {"train": self.rows} if self.streams else counts

    @property
    def shape(self) -> Any:
        """The shape of one input, for a table the number of columns; of several inputs, that of each."""
        return shape_of(self.train.x)

    @cached_property
    def training_weights(self) -> Array | None:
        """How much each row counts in training: its own weight times that of its class."""
        names = self.labels or tuple(map(str, range(self.classes)))
        weights: Array | None
        weights = training_weights(self.class_weight, self.train.y, self.train.weights, names)
        return weights

    @property
    def task(self) -> str:
        """Either classification or regression."""
        return CLASSIFICATION if self.classes else REGRESSION

    @property
    def is_table(self) -> bool:
        """True if the inputs are a table's raw columns, not arrays."""
        return is_table(self.train.x)

    def mapped(self, change: Callable[[Part], Part]) -> Self:
        """Returns the data with each part changed by a function."""
        return replace(
            self, train=change(self.train), validation=change(self.validation), test=change(self.test)
        )

    def recut(self, train: Part, validation: Part) -> Self:
        """Returns the data with other training and validation rows; the test part stays."""
        changed = digest(train, validation, self.test)
        return replace(self, digest=changed, train=train, validation=validation, cuts=())


def digest(*parts: Part) -> str:
    """Computes `Data.digest`, which is the same on every machine."""
    sha = hashlib.sha256()
    for part in parts:
        for column in (part.x, part.y, part.weights, part.group, part.time):
            for content in _contents(column):
                sha.update(content)
    return sha.hexdigest()[:12]


def _contents(column: Any) -> Iterator[bytes]:
    for values in [] if column is None else members(column):
        if is_table(values):
            from pandas.util import hash_pandas_object

            yield "\0".join(values.columns).encode()
            yield hash_pandas_object(values, index=False).to_numpy().tobytes()
        else:
            yield values.tobytes() if values.dtype != object else "\0".join(values.ravel()).encode()
