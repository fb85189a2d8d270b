"""Loads a data set: finds its source by the form of its name, cleans its rows and splits them."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data.base import AUTO, TASKS, Data, DataSpec, Part, digest
from mlflow_hpo.data.clean import cleaned, is_text
from mlflow_hpo.data.parts import by_column, in_parts, to_fold
from mlflow_hpo.data.rules import TooFewError
from mlflow_hpo.data.sources import arrays, files, functions, given, images, named, tables
from mlflow_hpo.data.sources.base import RawData, Source
from mlflow_hpo.data.splits import Splits, made
from mlflow_hpo.data.streams import RawStreams, streamed
from mlflow_hpo.data.weights import check_class_weight
from mlflow_hpo.errors import ConfigError, DataError, unknown
from mlflow_hpo.user_code import GIVEN, is_address, is_reference, shown_data

KEPT = 2  # data sets in a process's memory
FORMS = (
    f"or a file ({', '.join((*files.FORMS, *arrays.SUFFIXES))}), a folder of images, "
    "or package.module:function"
)


@dataclass(frozen=True)
class Kind:
    """A kind of data.

    Attributes:
        matches: tells by the form of a name whether it means this kind.
        has_columns: whether the rows may be a table, so that a spec may name a target column.
    """

    source: Source
    matches: Callable[[str], bool]
    has_columns: bool = False


KINDS = (  # the first that matches
    Kind(named, named.is_builtin),
    Kind(given, lambda name: name.startswith(GIVEN), has_columns=True),
    Kind(tables, files.is_table_file, has_columns=True),
    Kind(arrays, lambda name: files.plain_name(name).endswith(arrays.SUFFIXES)),
    Kind(images, os.path.isdir),
    Kind(functions, is_reference, has_columns=True),
)


def check_data(spec: DataSpec) -> None:
    """Finds the mistakes that show without loading the data.

    Raises:
        ConfigError: the name is unknown, the file is missing, a reference is malformed, a table does not
            have the column to predict, or another value makes no sense.
    """
    if spec.task not in TASKS:
        raise unknown("task", spec.task, TASKS)
    if not 0 < spec.fraction <= 1:
        raise ConfigError(f"fraction {spec.fraction:g} of the data: expected more than 0, up to 1")
    if spec.image_size < 1:
        raise ConfigError(f"image size {spec.image_size}: expected a number of pixels from 1")
    kind = _kind(spec.name) if spec.name else None
    for option, name in [] if kind and kind.has_columns else spec.columns.items():
        raise ConfigError(f"{option} {name!r} of {spec.title}: only a table has columns")
    if spec.read_options and (kind is None or kind.source is not tables):
        raise ConfigError(f"read-options: {spec.read_options} are for tables in files, as {files.FORMS[0]}")
    if spec.roles.group and spec.roles.time:
        raise ConfigError("group-column and time-column are two rules for what may be apart: give one")
    if kind and (spec.content or not is_address(spec.name)):
        kind.source.check(spec)


@lru_cache(maxsize=KEPT)
def load_data(spec: DataSpec) -> Data:
    """Loads a data set and splits it, see `parts.in_parts`. The last data sets are kept.

    Without a name, the data have no rows.

    Raises:
        ConfigError: see `check_data`.
        DataError: the data cannot be loaded or split.
    """
    check_data(spec)
    if not spec.name:
        nothing = Part(np.empty((0, 0), np.float32), np.empty(0, np.float32))
        return Data("", "nothing", "", 0, (), nothing, nothing, nothing)
    raw = _kind(spec.name).source.load(spec)
    if isinstance(raw, RawStreams):
        data = streamed(spec, raw, shown_data(spec.name))
        return replace(
            data, positive=_positive(spec.positive, data.labels or tuple(map(str, range(data.classes))))
        )
    try:
        return _split(spec, raw)
    except DataError as error:
        ambiguous = spec.task == raw.task == AUTO and isinstance(error, TooFewError) and error.of_numbers
        hint = "; if these are no classes but values, say that the task is regression" if ambiguous else ""
        raise DataError(f"{spec.title}: {error}{hint}") from None


def made_splits(splitter: Any, spec: DataSpec) -> Splits:
    """Makes folds of a data set, see `splits.made`.

    Raises:
        ConfigError, DataError: see `load_data` and `splits.made`.
    """
    check_data(spec)
    raw = _kind(spec.name).source.load(spec)
    if isinstance(raw, RawStreams):
        raise ConfigError(f"folds: they cannot be cut of a stream, as {spec.title} are: give arrays")
    try:
        parts, _, _ = cleaned(raw, raw.task if spec.task == AUTO else spec.task)
        parts = parts if raw.train.part is None else by_column(parts, raw.train.part)
        return made(splitter, to_fold(parts), "test" in parts, spec.seed)
    except DataError as error:
        raise DataError(f"{spec.title}: {error}") from None


def _kind(name: str) -> Kind:
    for kind in KINDS:
        if kind.matches(name):
            return kind
    if is_address(name):
        raise ConfigError(
            f"data {name!r} are at an address, where only files are fetched: {FORMS[3 : FORMS.find('),')]})"
        )
    raise ConfigError(f"{unknown('data set', name, named.DATASETS)}; {FORMS}")


def _split(spec: DataSpec, raw: RawData) -> Data:
    task = raw.task if spec.task == AUTO else spec.task
    parts, labels, classes = cleaned(raw, task)
    names = labels or tuple(map(str, range(classes)))
    check_class_weight(spec.class_weight, names, parts["train"].y)
    (train, validation, test), cuts = in_parts(spec, parts, raw.train.part, labels)
    return Data(
        name=shown_data(spec.name),
        source=raw.source,
        digest=digest(train, validation, test),
        classes=classes,
        labels=labels,
        train=train,
        validation=validation,
        test=test,
        positive=_positive(spec.positive, names),
        class_weight=spec.class_weight,
        cuts=cuts,
        is_text=is_text(raw.train.x),
    )


def _positive(name: str | None, classes: Sequence[str]) -> int:
    """Returns the number of the positive class.

    Raises:
        DataError: the name is no class, or there are not two.
    """
    if name is None:
        return 1
    if len(classes) != 2:
        what = f"{len(classes)} classes" if classes else "values"
        raise DataError(f"positive-class: {name!r} is for two classes, and there are {what}")
    if name not in classes:
        raise DataError(f"positive-class: {name!r} is no class: they are {' and '.join(classes)}")
    return classes.index(name)
