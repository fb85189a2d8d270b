"""Arrays in files, folders of images, and the names of data sets."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from data_loading import load, sizes
from source_contract import SourceContract

from mlflow_hpo.data import DataSpec, check_data, is_builtin, load_data
from mlflow_hpo.errors import ConfigError, DataError, HpoError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 6), dtype=np.uint8)


# Arrays of NumPy's


def npz(**arrays: Any) -> str:
    np.savez("a.npz", **arrays)
    return "a.npz"


class TestArrays(SourceContract):
    missing = "none.npz"

    def good(self) -> str:
        return npz(x=X, y=Y)


@pytest.mark.parametrize("key", ["x", "X"])
def test_arrays_of_numbers(key: str) -> None:
    data = load(npz(**{key: X, "y": Y}))
    assert (sizes(data), data.shape, data.classes, data.labels) == ([38, 10, 12], (4,), 3, ())
    assert [data.train.x.dtype, data.train.y.dtype, data.is_table] == [np.float32, np.int64, False]


def test_images_get_a_channel_and_values_up_to_one() -> None:
    grey = load(npz(x=IMAGES, y=Y))
    assert (grey.shape, grey.train.x.min(), grey.train.x.max()) == ((5, 6, 1), 0, 1)
    assert load(npz(x=np.stack([IMAGES] * 3, -1), y=Y)).shape == (5, 6, 3)
    series = load(npz(x=IMAGES.astype(np.int32), y=Y))  # no bytes, no image
    assert (series.shape, series.train.x.max(), series.train.x.dtype) == ((5, 6), 255, np.float32)


def test_arrays_may_bring_their_parts() -> None:
    pairs = {"x_train": X, "y_train": Y, "x_test": X[:7], "y_test": Y[:7]}
    data = load(npz(**pairs))
    assert sizes(data) == [48, 12, 7]
    assert np.array_equal(data.test.x, X[:7].astype(np.float32))
    data = load(npz(**pairs, x_val=X[:9], y_val=Y[:9]))
    assert sizes(data) == [60, 9, 7]
    assert np.array_equal(data.validation.y, Y[:9])


def test_one_hot_rows_are_classes() -> None:
    data = load(npz(x=X, y=np.eye(3)[Y]))
    assert (data.classes, data.labels, data.digest) == (3, (), load(npz(x=X, y=Y)).digest)
    for same in (Y[:, None], Y.astype(np.uint8), Y.astype(np.float32)):
        assert load(npz(x=X, y=same)).digest == data.digest


def test_labels_of_parts_are_numbered_together() -> None:
    names = np.array(["b", "c", "a"])
    data = load(npz(x_train=X, y_train=names[Y], x_test=X[:1], y_test=["c"]))
    assert (data.labels, data.test.y.tolist()) == (("a", "b", "c"), [2])


def test_values_are_regression_and_missing_inputs_are_kept() -> None:
    holes = X.copy()
    holes[0] = np.nan
    data = load(npz(x=holes, y=X[:, 0]))
    assert [data.task, data.classes, data.train.y.dtype] == ["regression", 0, np.float32]
    assert sum(int(np.isnan(p.x).sum()) for p in (data.train, data.validation, data.test)) == 4


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": X, "z": Y}, "data 'a.npz' holds x, z: expected x and y; or x_train, y_train, x_test, y_test"),
        ({"x_train": X, "y_train": Y}, "holds x_train, y_train: expected x and y"),
        ({}, "holds nothing: expected"),
        ({"x": X, "y": Y[:9]}, "train part: x has 60 rows and y has 9"),
        ({"x": X.astype(str), "y": Y}, "train part: x holds strings: expected numbers, or a table"),
        ({"x": X + 1j, "y": Y}, "train part: x holds complex128"),
        ({"x": X, "y": np.where(Y == 1, np.nan, Y)}, "the target is missing or not finite in 20 of 60 rows"),
        ({"x": X, "y": X[:, 0] * np.inf}, "the target is missing or not finite in 60 of 60 rows"),
        ({"x": X, "y": X.astype(str)}, "y has shape (60, 4) and holds no numbers: expected one value"),
        ({"x": 1, "y": Y}, "train part: x is a ndarray: expected a value for each row"),
        ({"x": X[:0], "y": Y[:0]}, "train part: there are no rows"),
        ({"x": X, "y": Y * 0}, "the target has one class only, '0'"),
        ({"x": np.array([{}] * 60), "y": Y}, "data 'a.npz' cannot be read: Object arrays cannot be loaded"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :2], "y_test": Y},
            "test part: an input has shape (2,), in the train part (4,)",
        ),
    ],
    ids=str,
)
def test_what_is_wrong_with_arrays(arrays: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(npz(**arrays))
    assert message in str(caught.value)


def test_a_broken_file_of_arrays() -> None:
    Path("a.npz").write_bytes(b"PK and so on")
    with pytest.raises(DataError, match=r"data 'a\.npz' cannot be read: "):
        load("a.npz")


# Folders of images


def draw(folder: str, count: int = 10, classes: tuple[str, ...] = ("cat", "dog")) -> None:
    from PIL import Image

    for number, name in enumerate(classes):
        place = Path(folder, name)
        place.mkdir(parents=True)
        for i in range(count):
            Image.new("RGB", (9, 7), (number * 255, i, 0)).save(place / f"{i}.png")


class TestImages(SourceContract):
    missing = "no/folder"
    options: ClassVar[dict[str, Any]] = {"image_size": 8}

    def good(self) -> str:
        draw("good", 20, ("ant", "cat", "dog"))
        return "good"


def test_a_folder_of_images() -> None:
    draw("pets")
    data = load("pets", image_size=8)
    assert (data.shape, data.classes, data.labels, sizes(data)) == ((8, 8, 3), 2, ("cat", "dog"), [12, 4, 4])
    for part in (data.train, data.validation, data.test):
        assert part.x.dtype == np.float32
        assert np.array_equal(part.x[:, 0, 0, 0], part.y)  # red from 0 to 1 is a dog
    assert load("pets", image_size=8).digest == data.digest


@pytest.mark.parametrize("validation", ["val", "validation"])
def test_a_folder_of_images_may_bring_its_parts(validation: str) -> None:
    draw("pets/train")
    draw("pets/test", 3)
    assert sizes(load("pets", image_size=4)) == [16, 4, 6]
    draw(f"pets/{validation}", 2)
    assert sizes(load("pets", image_size=4)) == [20, 4, 6]


def test_a_class_may_be_called_train() -> None:
    draw("vehicles", classes=("bus", "train"))
    assert load("vehicles", image_size=4).labels == ("bus", "train")


def test_what_is_wrong_with_a_folder() -> None:
    Path("empty").mkdir()
    with pytest.raises(ConfigError, match="data 'empty': expected a folder for each class in it, at least"):
        check_data(DataSpec("empty"))
    draw("one", classes=("cat",))
    with pytest.raises(ConfigError, match="at least two; there is only 'cat'"):
        check_data(DataSpec("one"))
    draw("bad")
    Path("bad/cat/0.png").write_text("no image")
    with pytest.raises(DataError, match="data 'bad' cannot be read as images: "):
        load("bad")
    Path("nothing/a").mkdir(parents=True)
    Path("nothing/b").mkdir()
    with pytest.raises(DataError, match="data 'nothing' cannot be read as images: No images found"):
        load("nothing")


# Names


class TestNamed(SourceContract):
    rows, classes = 1797, 10
    missing = "numbers"

    def good(self) -> str:
        return "digits"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            DataSpec("iris"),
            "unknown data set 'iris': known are cifar10, cifar100, digits, fashion_mnist, mnist",
        ),
        (
            DataSpec("data.xlsx"),
            "or a file (.csv, .tsv, .txt, .jsonl, .ndjson, .json, .parquet, .feather, .npz), a f",
        ),
        (DataSpec("a:b c"), "data 'a:b c' is malformed: expected package.module:NAME"),
        (DataSpec("digits", task="ranking"), "unknown task 'ranking': known are auto, classification, regr"),
        (DataSpec("digits", target="y"), "target 'y' of data 'digits': only a table has columns"),
        (DataSpec("digits", image_size=0), "image size 0: expected a number of pixels from 1"),
        (DataSpec("a.npz"), "data 'a.npz': there is no such file"),
    ],
    ids=str,
)
def test_the_driver_can_tell_what_is_wrong(spec: DataSpec, message: str) -> None:
    for refuse in (check_data, load_data):
        with pytest.raises(HpoError) as caught:
            refuse(spec)
        assert message in str(caught.value)
        assert isinstance(caught.value, ConfigError)


def test_no_data_at_all() -> None:
    data = load("")
    assert (sizes(data), data.name, data.digest, data.classes) == ([0, 0, 0], "", "", 0)


def test_names_of_our_own() -> None:
    assert is_builtin("digits")
    assert not is_builtin("digits.csv")


def test_classes_of_a_named_set_may_be_values() -> None:
    data = load("digits", task="regression")
    assert [data.task, data.labels, data.train.y.dtype] == ["regression", (), np.float32]
