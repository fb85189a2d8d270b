"""The built-in data sets, from scikit-learn and Keras."""

import importlib
import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import IO
from zipfile import BadZipFile

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, Array, DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.errors import ConfigError, DataError, one_line


def is_builtin(name: str) -> bool:
    """Tells whether a name is that of a built-in data set."""
    return name in DATASETS


def check(spec: DataSpec) -> None:
    """Raises ConfigError for a positive class: each built-in data set has more than two."""
    if spec.positive is not None:
        raise ConfigError(f"positive-class: {spec.positive!r} is for two classes, and {spec.title} have more")


def load(spec: DataSpec) -> RawData:
    """Loads a built-in data set.

    Raises:
        DataError: it can neither be read nor downloaded.
    """
    return DATASETS[spec.name]()


def _digits() -> RawData:
    from sklearn.datasets import load_digits

    images, classes = load_digits(return_X_y=True)
    return _raw_data("sklearn.datasets.load_digits", _rows(images.reshape(-1, 8, 8), classes, 16))


def _keras(name: str) -> RawData:
    """Loads a data set of `keras.datasets` from its cache or the network."""
    module = importlib.import_module(f"keras.datasets.{name}")
    try:
        (x, y), (test_x, test_y) = module.load_data()
    except Exception as error:  # Keras raises a bare Exception if it cannot download
        raise DataError(
            f"data set {name!r} is neither in Keras's cache nor can it be downloaded: {one_line(error)}"
        ) from None
    return _raw_data(f"keras.datasets.{name}", _rows(x, y, 255), _rows(test_x, test_y, 255))


def _mnist() -> RawData:
    """Loads MNIST from Keras's cache. Keras would delete a file there whose hash it does not expect."""
    file = _keras_cache() / "mnist.npz"
    if not file.is_file():
        return _keras("mnist")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x, y, test_x, test_y = (arrays[k] for k in ("x_train", "y_train", "x_test", "y_test"))
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        raise DataError(f"data set 'mnist' in {file} cannot be read: {one_line(error)}") from None
    return _raw_data("keras.datasets.mnist", _rows(x, y, 255), _rows(test_x, test_y, 255))


def _keras_cache() -> Path:
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "datasets"


def _one_at_a_time(load: Callable[..., RawData], *args: str) -> Callable[[], RawData]:
    """Locks Keras's cache: Keras downloads into the very file that another process would read."""

    def locked() -> RawData:
        with ExitStack() as stack:
            stack.enter_context(redirect_stdout(StringIO()))  # Keras shows its downloads
            with suppress(OSError):  # Keras cannot download into a read-only cache
                _keras_cache().mkdir(parents=True, exist_ok=True)
                _lock(stack.enter_context((_keras_cache() / ".mlflow-hpo.lock").open("w")))
            return load(*args)

    return locked


def _lock(file: IO[str]) -> None:
    """Waits until no other process holds the lock. Does nothing on Windows, where there is no such lock."""
    with suppress(ImportError):
        from fcntl import LOCK_EX, flock

        flock(file, LOCK_EX)


def _raw_data(source: str, rows: RawRows, test: RawRows | None = None) -> RawData:
    return RawData(source, rows, test=test, task=CLASSIFICATION)


def _rows(x: Array, y: Array, brightest: int) -> RawRows:
    """Makes images of shape (rows, height, width, channels) from 0 to 1, and their classes."""
    images = (x / np.float32(brightest)).astype(np.float32)
    return RawRows(images if images.ndim == 4 else images[..., None], y.reshape(-1).astype(np.int64))


DATASETS: Mapping[str, Callable[[], RawData]] = {
    "digits": _digits,
    "mnist": _one_at_a_time(_mnist),
    **{name: _one_at_a_time(_keras, name) for name in ("fashion_mnist", "cifar10", "cifar100")},
}
