"""Data from a user's own function, and what is given from Python."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from data_loading import given, load, sizes
from source_contract import SourceContract

from mlflow_hpo.data import DataSpec, check_data, load_data
from mlflow_hpo.errors import ConfigError, DataError

X, Y = np.random.default_rng(0).normal(size=(60, 4)), np.arange(60) % 3


# Functions


def function(body: str, name: str = "own") -> str:
    text = "import numpy as np, pandas as pd\nx, y = np.arange(120.).reshape(60, 2), np.arange(60) % 3\n"
    Path(f"{name}.py").write_text(f"{text}def data():\n    {body}\n")
    sys.modules.pop(name, None)
    return f"{name}.py:data"


class TestFunctions(SourceContract):
    missing = "none.py:data"

    def good(self) -> str:
        return function("return x, y")


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
        ("return ds", [60]),
        ("return ds.batch(7)", [60]),
        ("return ds.batch(10, drop_remainder=True)", [60]),
        ("return ds.batch(7), ds.take(9).batch(4)", [60, 9]),
        ("return ds, ds.take(9), ds.take(8)", [60, 9, 8]),
        ("return ds.map(lambda a, b: (a, tf.one_hot(b, 3)))", [60]),
        ("return ds.filter(lambda a, b: a[0] >= 0).batch(7)", [60]),  # of unknown length
    ],
)
def test_a_function_may_return_tf_data_for_each_part(body: str, expected: list[int]) -> None:
    data = load(function(TF + body))
    assert data.streams is not None
    found = [sum(len(part) for part in stream.parts()) for stream in data.streams.values()]
    assert (found, data.shape, data.classes) == (expected, (2,), 3)
    assert data.counts["train"] == 60


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (TF + "return ds.repeat()", "gave a tf.data.Dataset without an end"),
        (TF + "return ds.map(lambda a, b: {'a': a, 'b': b})", "a stream gives pairs (x, y) or triples"),
        (TF + "return ds.map(lambda a, b: (a[: b + 1], b))", "its stream cannot be read: "),
        (TF + "return ds.take(0)", "its stream is empty"),
        (TF + "return ds.map(lambda a, b: (a, tf.strings.as_string(b)))", "the y of a stream holds words"),
        (
            "return {'x': x, 'y': y}",
            "data 'own.py:data' gave a dict: expected (x, y) or (x, y, weights), ((x",
        ),
        ("return x", "gave a ndarray: expected (x, y)"),
        ("return None", "gave a NoneType: expected"),
        ("return x, y, x, y", "gave a tuple of 4: expected"),
        ("return x, y, y - 1", "weights must be finite, at least 0"),
        ("return (x, y), (pd.DataFrame(x), y)", "test part: x is a DataFrame, in the train part a ndarray"),
        (
            "return (pd.DataFrame(x), y), (pd.DataFrame(x).drop(columns=1), y)",
            "test part: column '1' is in only one",
        ),
        ("return pd.DataFrame(x)[[0, 0]], y", "there are two columns '0'"),
        ("return [['a', 'b']] * 60, y", "x holds strings"),
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


class TestGiven(SourceContract):
    missing, title = "given:data", "data from Python"

    @pytest.fixture(autouse=True)
    def content(self) -> None:
        folder = Path("ours").resolve()
        self.options = {"content": given((X, Y), folder).content}  # type: ignore[misc]

    def good(self) -> str:
        return "given:data"

    def test_what_is_missing_is_named_in_one_line(self) -> None:
        self.options = {}  # type: ignore[misc]
        super().test_what_is_missing_is_named_in_one_line()


def test_what_is_given_is_what_other_processes_load(tmp_path: Path) -> None:
    spec = given((X, Y), tmp_path / "ours")
    data = load_data(spec)
    assert (data.name, data.source, sizes(data)) == ("data from Python", "given from Python", [38, 10, 12])
    program = (
        "from pathlib import Path\nfrom mlflow_hpo.data import *\n"
        "from mlflow_hpo.user_code import use_contents\n"
        f"use_contents(Path({str(tmp_path / 'ours')!r}))\nprint(load_data({spec!r}).digest)"
    )
    other = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert other.stdout.strip() == data.digest
    assert load_data(replace(spec, seed=1)).digest != data.digest


def test_a_frame_with_a_target_is_given(tmp_path: Path) -> None:
    frame = pd.DataFrame(X, columns=list("abcd")).assign(y=Y)
    data = load_data(given(frame, tmp_path, "y"))
    assert (data.shape, data.classes) == ((4,), 3)
    with pytest.raises(ConfigError, match="target 'z' is no column"):
        given(frame, tmp_path, "z")
    with pytest.raises(DataError, match="gave a dict: expected"):
        given({"x": X}, tmp_path)


def test_only_content_that_is_what_its_digest_says_is_unpickled(tmp_path: Path) -> None:
    spec = given((X + 1, Y), tmp_path)  # which no other test has given
    file = tmp_path / spec.content
    assert file.stat().st_mode & 0o077 == 0, "nobody else can read or write it"
    file.write_bytes(file.read_bytes() + b"x")
    with pytest.raises(ConfigError, match="is not what was given from Python: its digest differs"):
        load_data(spec)
    file.unlink()
    with pytest.raises(
        ConfigError, match="data from Python is not at hand any more: give it again from Python"
    ):
        load_data(spec)
    with pytest.raises(ConfigError, match="data from Python are to be given again from there"):
        check_data(DataSpec("given:data"))
