"""Named data sets: arrays in three parts, with a digest. The search never sees the test part."""

import hashlib
import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from mlflow_hpo.errors import DataError, unknown

Array = NDArray[Any]
VALIDATION = 0.2  # of what is there to train on
TEST = 0.2  # where the data set brings no test part of its own


@dataclass(frozen=True, eq=False)
class Part:
    """Inputs, float32 of shape (rows, height, width, channels) from 0 to 1, and int64 classes."""

    x: Array
    y: Array

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True, eq=False)
class Data:
    """A data set in its three parts, split by a seed.

    Attributes:
        source: where it came from, in words.
        digest: the first 12 hex digits of the SHA-256 of all its arrays, in the order trained on.
    """

    name: str
    source: str
    digest: str
    classes: int
    train: Part
    validation: Part
    test: Part

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one input."""
        return tuple(self.train.x.shape[1:])


Loaded = tuple[Part, Part | None, str]  # all rows, the test part where there is one, the source


def _digits() -> Loaded:
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return _part(images.reshape(-1, 8, 8), classes, 16), None, "sklearn.datasets.load_digits"


def _keras(name: str) -> Callable[[], Loaded]:
    """A data set of `keras.datasets`, from its cache or the network."""

    def load() -> Loaded:
        module = importlib.import_module(f"keras.datasets.{name}")
        try:
            (x, y), (test_x, test_y) = module.load_data()
        except Exception as error:  # Keras raises a bare Exception where it cannot download
            raise DataError(
                f"data set {name!r} is neither in Keras's cache nor can it be downloaded: {_line(error)}"
            ) from None
        return _part(x, y, 255), _part(test_x, test_y, 255), f"keras.datasets.{name}"

    return load


def _mnist() -> Loaded:
    """MNIST from Keras's cache; Keras itself would delete a file there that has not the hash it expects."""
    file = _keras_cache() / "mnist.npz"
    if not file.is_file():
        return _keras("mnist")()
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x, y, test_x, test_y = (arrays[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(f"data set 'mnist' in {file} cannot be read: {_line(error)}") from None
    return _part(x, y, 255), _part(test_x, test_y, 255), "keras.datasets.mnist"


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _from_cache(load: Callable[[], Loaded]) -> Callable[[], Loaded]:
    """One process at a time: Keras downloads into the very file that another one would read."""

    def locked() -> Loaded:
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(StringIO()))  # Keras shows its downloads
            with suppress(OSError):  # a cache that cannot be written cannot be downloaded into either
                _keras_cache().mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((_keras_cache() / ".mlflow-hpo.lock").open("w"))
                flock(lock, LOCK_EX)
            return load()

    return locked


DATASETS: Mapping[str, Callable[[], Loaded]] = {
    "digits": _digits,
    "mnist": _from_cache(_mnist),
    **{name: _from_cache(_keras(name)) for name in ("fashion_mnist", "cifar10", "cifar100")},
}


def check_data(name: str) -> None:
    """Raise ConfigError where no data set has this name."""
    if name not in DATASETS:
        raise unknown("data set", name, DATASETS)


@lru_cache(maxsize=1)
def load_data(name: str, seed: int) -> Data:
    """Load a data set and split it, stratified, by the seed; kept for the next call.

    Raises:
        ConfigError: no data set has this name.
        DataError: it cannot be loaded.
    """
    check_data(name)
    rows, test, source = DATASETS[name]()
    if test is None:
        rows, test = _split(rows, TEST, seed)
    train, validation = _split(rows, VALIDATION, seed)
    digest = hashlib.sha256()
    for part in (train, validation, test):
        digest.update(part.x.tobytes())
        digest.update(part.y.tobytes())
    classes = int(max(part.y.max() for part in (train, validation, test))) + 1
    return Data(name, source, digest.hexdigest()[:12], classes, train, validation, test)


def _part(x: Array, y: Array, brightest: int) -> Part:
    images = (x / np.float32(brightest)).astype(np.float32)
    return Part(images if images.ndim == 4 else images[..., None], y.reshape(-1).astype(np.int64))


def _split(rows: Part, share: float, seed: int) -> tuple[Part, Part]:
    from sklearn.model_selection import train_test_split

    try:
        x, other_x, y, other_y = train_test_split(
            rows.x, rows.y, test_size=share, stratify=rows.y, random_state=seed
        )
    except ValueError as error:
        raise DataError(f"the data cannot be split by class: {_line(error)}") from None
    return Part(x, y), Part(other_x, other_y)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
