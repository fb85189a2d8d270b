"""From a spec to the data: finds the source by the form of the name, then splits."""

from functools import lru_cache
from pathlib import Path

import numpy as np

from mlflow_hpo.data.base import AUTO, TASKS, Data, DataSpec, Found, Part, digest
from mlflow_hpo.data.clean import cleaned
from mlflow_hpo.data.sources import arrays, functions, given, images, named, tables
from mlflow_hpo.data.split import TEST, VALIDATION, TooFewError, sample, split
from mlflow_hpo.errors import ConfigError, DataError, unknown
from mlflow_hpo.user_code import GIVEN, is_reference

KEPT = 2  # data sets in a process's memory
FORMS = (
    f"or a file ({', '.join((*tables.SUFFIXES, *arrays.SUFFIXES))}), a folder of images, "
    "or package.module:function"
)


def check_data(spec: DataSpec) -> None:
    """Find out what can be told at once, without loading the data.

    Raises:
        ConfigError: the name is unknown, the file is missing, a reference is malformed, a table has
            not the column to predict, or another value makes no sense.
    """
    if spec.task not in TASKS:
        raise unknown("task", spec.task, TASKS)
    if not 0 < spec.fraction <= 1:
        raise ConfigError(f"fraction {spec.fraction:g} of the data: expected more than 0, up to 1")
    if spec.image_size < 1:
        raise ConfigError(f"image size {spec.image_size}: expected a number of pixels from 1")
    kind = _kind(spec.name)
    if spec.target is not None and kind in ("none", "named", "arrays", "images"):
        raise ConfigError(f"target {spec.target!r} of data {spec.name!r}: only a table has columns")
    CHECKS[kind](spec)


@lru_cache(maxsize=KEPT)
def load_data(spec: DataSpec) -> Data:
    """Load a data set and split it, stratified by class, by the seed; kept for the next call.

    Where the source brings no test part, a fifth of the rows is one; where it brings no validation
    part, a fifth of the rest. Without a name, the data have no rows.

    Raises:
        ConfigError: see `check_data`.
        DataError: it cannot be loaded or split.
    """
    check_data(spec)
    if not spec.name:
        nothing = Part(np.empty((0, 0), np.float32), np.empty(0, np.float32))
        return Data("", "nothing", "", 0, (), nothing, nothing, nothing)
    found = SOURCES[_kind(spec.name)](spec)
    try:
        return _split(spec, found)
    except DataError as error:
        doubtful = spec.task == found.task == AUTO and isinstance(error, TooFewError) and error.of_numbers
        hint = "; if these are no classes but values, say that the task is regression" if doubtful else ""
        raise DataError(f"data {shown(spec.name)!r}: {error}{hint}") from None


def _split(spec: DataSpec, found: Found) -> Data:
    task = found.task if spec.task == AUTO else spec.task
    parts, labels, classes = cleaned(found, task)
    train, validation, test = parts["train"], parts.get("validation"), parts.get("test")
    if test is None:
        train, test = split(train, TEST, spec.seed, labels)
    if validation is None:
        train, validation = split(train, VALIDATION, spec.seed, labels)
    train, validation = (sample(part, spec.fraction, spec.seed, labels) for part in (train, validation))
    seen = digest(train, validation, test)
    return Data(shown(spec.name), found.source, seen, classes, labels, train, validation, test)


def shown(name: str) -> str:
    """The name of a data set as a user knows it."""
    return GIVEN.rstrip(":") if name.startswith(GIVEN) else name


def _kind(name: str) -> str:
    """Which source has the data.

    Raises:
        ConfigError: none.
    """
    forms = {
        "none": not name,
        "named": named.is_builtin(name),
        "given": name.startswith(GIVEN),
        "tables": name.endswith(tables.SUFFIXES),
        "arrays": name.endswith(arrays.SUFFIXES),
        "images": bool(name) and Path(name).is_dir(),
        "functions": is_reference(name),
    }
    for kind, fits in forms.items():
        if fits:
            return kind
    raise ConfigError(f"{unknown('data set', name, named.DATASETS)}; {FORMS}")


SOURCES = {
    "named": named.load,
    "given": given.load,
    "tables": tables.load,
    "arrays": arrays.load,
    "images": images.load,
    "functions": functions.load,
}
CHECKS = {
    "none": lambda spec: None,
    "named": lambda spec: None,
    "given": given.check,
    "tables": tables.check,
    "arrays": arrays.check,
    "images": images.check,
    "functions": functions.check,
}
