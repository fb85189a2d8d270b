"""Arrays in files, folders of images, functions, and what is given from Python."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlflow_hpo.datasets import GIVEN, Data, DataSpec, check_data, is_builtin, load_data, save_given
from mlflow_hpo.errors import ConfigError, DataError, HpoError

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(60, 4)), np.arange(60) % 3
IMAGES = RNG.integers(0, 256, (60, 5, 6), dtype=np.uint8)


def load(name: str, **options: Any) -> Data:
    load_data.cache_clear()
    spec = DataSpec(name, **options)
    check_data(spec)
    return load_data(spec)


def sizes(data: Data) -> list[int]:
    return [len(part) for part in (data.train, data.validation, data.test)]


# Arrays of NumPy's


def npz(**arrays: Any) -> str:
    np.savez("a.npz", **arrays)
    return "a.npz"


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
    assert load(npz(x=X, y=Y[:, None])).digest == data.digest


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
        ({"x": X, "y": X}, "y has shape (60, 4): expected one value for each row, or one-hot rows"),
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


# Functions


def function(body: str, name: str = "own") -> str:
    text = "import numpy as np, pandas as pd\nx, y = np.arange(120.).reshape(60, 2), np.arange(60) % 3\n"
    Path(f"{name}.py").write_text(f"{text}def data():\n    {body}\n")
    sys.modules.pop(name, None)
    return f"{name}.py:data"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return x, y", [38, 10, 12]),
        ("return [x, y]", [38, 10, 12]),
        ("return x.tolist(), y.tolist()", [38, 10, 12]),
        ("return pd.DataFrame(x), pd.Series(y)", [38, 10, 12]),
        ("return pd.DataFrame(x), list(y)", [38, 10, 12]),
        ("return pd.Series(x[:, 0]), y", [38, 10, 12]),
        ("return (x, y), (x[:9], y[:9])", [48, 12, 9]),
        ("return [(x, y), (x[:9], y[:9])]", [48, 12, 9]),
        ("return (x, y), (x[:9], y[:9]), (x[:8], y[:8])", [60, 9, 8]),
        ("return (pd.DataFrame(x), y), (pd.DataFrame(x)[:9], y[:9])", [48, 12, 9]),
    ],
)
def test_a_function_returns_pairs(body: str, expected: list[int]) -> None:
    data = load(function(body))
    assert (sizes(data), data.classes) == (expected, 3)
    assert data.is_table == ("pd." in body)


def test_a_function_of_a_module_may_return_a_frame_with_a_target() -> None:
    function("return pd.DataFrame(x, columns=['a', 'b']).assign(c=y)", "own_frames")
    data = load("own_frames:data", target="c")
    assert (data.name, data.shape, data.classes) == ("own_frames:data", (2,), 3)
    with pytest.raises(ConfigError, match="needs a target, the column to predict: one of a, b, c"):
        load("own_frames:data")


TF = "import tensorflow as tf; ds = tf.data.Dataset.from_tensor_slices((x, y)); "


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("return ds", [38, 10, 12]),
        ("return ds.batch(7)", [38, 10, 12]),
        ("return ds.batch(10, drop_remainder=True)", [38, 10, 12]),
        ("return ds.batch(7), ds.take(9).batch(4)", [48, 12, 9]),
        ("return ds, ds.take(9), ds.take(8)", [60, 9, 8]),
        ("return ds.map(lambda a, b: (a, tf.one_hot(b, 3)))", [38, 10, 12]),
        ("return ds.filter(lambda a, b: a[0] >= 0).batch(7)", [38, 10, 12]),  # of unknown length
    ],
)
def test_a_function_may_return_tf_data(body: str, expected: list[int]) -> None:
    data = load(function(TF + body))
    assert (sizes(data), data.shape, data.classes) == (expected, (2,), 3)
    if expected[-1] == 12:
        assert data.digest == load(function("return x, y")).digest


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TF + "return ds.repeat()", "gave a tf.data.Dataset without an end"),
        (TF + "return ds.map(lambda a, b: {'a': a, 'b': b})", "gave a dict: expected (x, y)"),
        (TF + "return ds.map(lambda a, b: ({'a': a}, b))", "gave a dict: expected (x, y)"),
        (TF + "return ds.map(lambda a, b: (a, b, b))", "gave a tuple of 3: expected (x, y)"),
        (TF + "return ds.map(lambda a, b: (a[: b + 1], b))", "its tf.data.Dataset is no array"),
        (TF + "return ds.take(0)", "its tf.data.Dataset is empty"),
        ("return {'x': x, 'y': y}", "data 'own.py:data' gave a dict: expected (x, y), ((x, y), (x_test,"),
        ("return {'x': x}, y", "gave a dict: expected (x, y)"),
        ("return x", "gave a ndarray: expected (x, y)"),
        ("return None", "gave a NoneType: expected"),
        ("return x, y, x, y", "gave a tuple of 4: expected"),
        ("return x, y, y", "gave a ndarray: expected"),
        ("return (x, y), (pd.DataFrame(x), y)", "test part: x is a DataFrame, in the train part a ndarray"),
        (
            "return (pd.DataFrame(x), y), (pd.DataFrame(x).drop(columns=1), y)",
            "test part: column '1' is in only one",
        ),
        ("return pd.DataFrame(x)[[0, 0]], y", "there are two columns '0'"),
        ("return ['a'] * 60, y", "x holds strings"),
        ("return [[1], [1, 2]], [0, 1]", "x is no array"),
        ("raise RuntimeError('no\\nnetwork')", "data 'own.py:data' failed: RuntimeError: no network"),
    ],
)
def test_what_is_wrong_with_a_function(body: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        load(function(body))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_wrong_with_a_reference() -> None:
    with pytest.raises(ConfigError, match=r"data 'own\.py:data' cannot be loaded: there is no file"):
        check_data(DataSpec("own.py:data"))
    function("return x, y")
    with pytest.raises(ConfigError, match=r"data 'own\.py:x' is no function but a ndarray"):
        load("own.py:x")
    with pytest.raises(ConfigError, match=r"target 'c' .*only a DataFrame has columns"):
        load("own.py:data", target="c")


# Given from Python


def test_what_is_given_is_what_other_processes_load(tmp_path: Path) -> None:
    name = save_given((X, Y), tmp_path / "ours", None)
    data = load(name)
    assert (data.name, data.source, sizes(data)) == ("given", "given from Python", [38, 10, 12])
    program = f"from mlflow_hpo.datasets import *; print(load_data(DataSpec({name!r})).digest)"
    other = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == data.digest
    assert load(npz(x=X, y=Y)).digest == data.digest


def test_a_frame_with_a_target_is_given(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    data = load(save_given(frame, tmp_path, "y"))
    assert (data.shape, data.classes) == ((4,), 3)
    with pytest.raises(ConfigError, match="target 'z' is no column"):
        save_given(frame, tmp_path, "z")
    with pytest.raises(DataError, match="gave a dict: expected"):
        save_given({"x": X}, tmp_path, None)


def test_only_what_the_driver_wrote_is_unpickled(tmp_path: Path) -> None:
    file = Path(save_given((X, Y), tmp_path, None).removeprefix(GIVEN))
    for other in (tmp_path / "mine.pkl", tmp_path / "mine.given", file.parent / "mine.pkl"):
        other.write_bytes(file.read_bytes())
        with pytest.raises(ConfigError, match="cannot be loaded"):
            check_data(DataSpec(f"{GIVEN}{other}"))
        with pytest.raises(ConfigError, match="cannot be loaded"):
            load_data(DataSpec(f"{GIVEN}{other}"))
    file.unlink()
    with pytest.raises(ConfigError, match="data given from Python do not outlast their study"):
        check_data(DataSpec(f"{GIVEN}{file}"))


# Names


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            DataSpec("iris"),
            "unknown data set 'iris': known are cifar10, cifar100, digits, fashion_mnist, mnist",
        ),
        (DataSpec("data.xlsx"), "or a file (.csv, .csv.gz, .parquet, .npz), a folder of images, or package"),
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


def test_to_check_imports_nothing_heavy() -> None:
    Path("t.csv").write_text("a,y\n1,2\n")
    Path("own.py").write_text("raise SystemExit")
    program = (
        "import sys\n"
        "from mlflow_hpo.datasets import DataSpec, check_data\n"
        "for spec in (DataSpec('digits'), DataSpec('t.csv', target='y'), DataSpec('own.py:data')):\n"
        "    check_data(spec)\n"
        "print({'tensorflow', 'keras', 'sklearn', 'mlflow'} & set(sys.modules))"
    )
    seen = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert seen.stdout.strip() == "set()"
