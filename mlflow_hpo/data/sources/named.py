"""The named data sets, of scikit-learn and of Keras."""

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, Array, DataSpec, Found, Rows, line
from mlflow_hpo.errors import DataError


def _digits() -> Found:
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return _found("sklearn.datasets.load_digits", _rows(images.reshape(-1, 8, 8), classes, 16))


def _keras(name: str) -> Callable[[], Found]:
    """A data set of `keras.datasets`, from its cache or the network."""

    def load() -> Found:
        module = importlib.import_module(f"keras.datasets.{name}")
        try:
            (x, y), (test_x, test_y) = module.load_data()
        except Exception as error:  # Keras raises a bare Exception where it cannot download
            raise DataError(
                f"data set {name!r} is neither in Keras's cache nor can it be downloaded: {line(error)}"
            ) from None
        return _found(f"keras.datasets.{name}", _rows(x, y, 255), _rows(test_x, test_y, 255))

    return load


def _mnist() -> Found:
    """MNIST from Keras's cache; Keras itself would delete a file there that has not the hash it expects."""
    file = _keras_cache() / "mnist.npz"
    if not file.is_file():
        return _keras("mnist")()
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x, y, test_x, test_y = (arrays[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(f"data set 'mnist' in {file} cannot be read: {line(error)}") from None
    return _found("keras.datasets.mnist", _rows(x, y, 255), _rows(test_x, test_y, 255))


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _from_cache(load: Callable[[], Found]) -> Callable[[], Found]:
    """One process at a time: Keras downloads into the very file that another one would read."""

    def locked() -> Found:
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(StringIO()))  # Keras shows its downloads
            with suppress(OSError):  # a cache that cannot be written cannot be downloaded into either
                _keras_cache().mkdir(parents=True, exist_ok=True)
                lock = stack.enter_context((_keras_cache() / ".mlflow-hpo.lock").open("w"))
                _lock(lock)
            return load()

    return locked


def _lock(file: IO[str]) -> None:
    """Waits until no other process holds the lock. Does nothing on Windows, where there is no such lock."""
    with suppress(ImportError):
        from fcntl import LOCK_EX, flock

        flock(file, LOCK_EX)


DATASETS: Mapping[str, Callable[[], Found]] = {
    "digits": _digits,
    "mnist": _from_cache(_mnist),
    **{name: _from_cache(_keras(name)) for name in ("fashion_mnist", "cifar10", "cifar100")},
}


def is_builtin(name: str) -> bool:
    """Whether a data set is known by this name."""
    return name in DATASETS


def load(spec: DataSpec) -> Found:
    """Load a named set.

    Raises:
        DataError: it can neither be read nor downloaded.
    """
    return DATASETS[spec.name]()


def _found(source: str, rows: Rows, test: Rows | None = None) -> Found:
    return Found(source, rows, test=test, task=CLASSIFICATION)


def _rows(x: Array, y: Array, brightest: int) -> Rows:
    """Images of shape (rows, height, width, channels) from 0 to 1, and their classes."""
    images = (x / np.float32(brightest)).astype(np.float32)
    return Rows(images if images.ndim == 4 else images[..., None], y.reshape(-1).astype(np.int64))
