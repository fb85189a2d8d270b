import gzip
from concurrent.futures import ThreadPoolExecutor
from fcntl import LOCK_EX, LOCK_UN, flock
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.errors import ConfigError, DataError


def test_digits_come_in_three_stratified_parts() -> None:
    data = load_data(DataSpec("digits"))
    assert [len(p) for p in (data.train, data.validation, data.test)] == [1149, 288, 360]
    assert data.shape == (8, 8, 1)
    assert data.train.x.dtype == np.float32
    assert data.train.x.min() == 0
    assert data.train.x.max() == 1
    for part in (data.train, data.validation, data.test):
        share = np.bincount(part.y, minlength=data.classes) / len(part)
        assert np.all(np.abs(share - 0.1) < 0.01)


def test_no_row_is_in_two_parts() -> None:
    data = load_data(DataSpec("digits"))
    rows = [row.tobytes() for part in (data.train, data.validation, data.test) for row in part.x]
    assert len(set(rows)) == len(rows)


def test_the_seed_decides_the_split_and_the_digest() -> None:
    load_data.cache_clear()
    one, again, other = (
        load_data(DataSpec("digits")),
        load_data(DataSpec("digits")),
        load_data(DataSpec("digits", 1)),
    )
    assert one is again  # a worker loads the data once
    load_data.cache_clear()
    assert load_data(DataSpec("digits")).digest == one.digest
    assert other.digest != one.digest


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown data set 'iris': known are"):
        load_data(DataSpec("iris"))


def arrays(rows: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (rows, 28, 28), dtype=np.uint8), np.arange(rows, dtype=np.uint8) % 10


def sizes(name: str) -> list[Any]:
    data = load_data(DataSpec(name))
    return [len(data.train), len(data.validation), len(data.test), data.shape, data.classes]


def test_mnist_is_read_from_kerass_cache(keras_cache: Path) -> None:
    (x, y), (test_x, test_y) = arrays(100), arrays(20)
    np.savez(keras_cache / "mnist.npz", x_train=x, y_train=y, x_test=test_x, y_test=test_y)
    assert sizes("mnist") == [80, 20, 20, (28, 28, 1), 10]


def test_fashion_mnist_is_read_from_kerass_cache(keras_cache: Path) -> None:
    folder = keras_cache / "fashion-mnist"
    folder.mkdir()
    for name, (x, y) in (("train", arrays(100)), ("t10k", arrays(20))):
        (folder / f"{name}-images-idx3-ubyte.gz").write_bytes(gzip.compress(bytes(16) + x.tobytes()))
        (folder / f"{name}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(bytes(8) + y.tobytes()))
    assert sizes("fashion_mnist") == [80, 20, 20, (28, 28, 1), 10]


def test_a_broken_file_in_the_cache_is_named(keras_cache: Path) -> None:
    (keras_cache / "mnist.npz").write_bytes(b"PK but not much more")
    with pytest.raises(DataError, match=r"data set 'mnist' in .*mnist\.npz cannot be read"):
        load_data(DataSpec("mnist"))


def test_a_class_with_one_row_cannot_be_split(keras_cache: Path) -> None:
    x, y = arrays(21)
    y[:] = 0
    y[0] = 1
    np.savez(keras_cache / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(
        DataError,
        match="data 'mnist': the data cannot be split by class: class 1 has 1 row, at least 2 are needed",
    ):
        load_data(DataSpec("mnist"))


def test_what_can_neither_be_found_nor_downloaded_is_named(keras_cache: Path) -> None:
    keras_cache.rmdir()
    keras_cache.write_text("a file where Keras wants its folder")
    try:
        with pytest.raises(
            DataError, match="'cifar10' is neither in Keras's cache nor can it be downloaded: "
        ):
            load_data(DataSpec("cifar10"))
    finally:
        keras_cache.unlink()
        keras_cache.mkdir()


def test_two_workers_do_not_download_at_once(keras_cache: Path) -> None:
    x, y = arrays(100)
    with (keras_cache / ".mlflow-hpo.lock").open("w") as lock:
        flock(lock, LOCK_EX)
        with ThreadPoolExecutor() as threads:
            loading = threads.submit(load_data, DataSpec("mnist", 3))
            with pytest.raises(TimeoutError):
                loading.result(1)
            np.savez(keras_cache / "mnist.npz", x_train=x, y_train=y, x_test=x, y_test=y)
            flock(lock, LOCK_UN)
            assert loading.result(60).name == "mnist"
