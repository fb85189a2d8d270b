"""How rows are cut: fractions, folds, all of them; always by a seed, and stratified by class."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_loading import given as given_data
from hypothesis import given
from hypothesis import strategies as st

from mlflow_hpo.data import Data, DataSpec, check_data, folds, load_data, whole
from mlflow_hpo.errors import ConfigError, DataError


def numbered(tmp_path: Path, sizes: list[int], table: bool = False, **how: Any) -> DataSpec:
    """Rows that hold their own number, in classes of these sizes; with none, values."""
    y = np.repeat(np.arange(len(sizes)), sizes) if sizes else np.linspace(0, 1, 100)
    x = np.arange(len(y))
    return given_data((pd.DataFrame({"row": x}) if table else x[:, None], y), tmp_path, **how)


def rows(part: Any) -> list[int]:
    return [int(v) for v in np.asarray(part.x).ravel()]


@pytest.fixture(scope="module")
def digits() -> Data:
    return load_data(DataSpec("digits"))


@given(k=st.integers(2, 12), seed=st.integers(0, 2**31))
def test_folds_partition_the_rows(k: int, seed: int, digits: Data) -> None:
    x = np.concatenate([digits.train.y, digits.validation.y])
    cut = folds(digits, k, seed)
    assert len(cut) == k
    held = np.concatenate([fold.validation.x for fold in cut])
    both = np.concatenate([digits.train.x, digits.validation.x])
    assert sorted(row.tobytes() for row in held) == sorted(row.tobytes() for row in both)
    for fold in cut:
        assert len(fold.train) + len(fold.validation) == len(x)
        assert fold.test is digits.test
        share = np.bincount(fold.validation.y, minlength=10) / len(fold.validation)
        assert np.all(np.abs(share - np.bincount(x) / len(x)) < 0.03)
    assert len({fold.digest for fold in cut}) == k


@pytest.mark.parametrize("table", [False, True])
@pytest.mark.parametrize("sizes", [[30, 70], []])
def test_no_row_is_in_two_parts_of_a_fold(sizes: list[int], table: bool, tmp_path: Path) -> None:
    data = load_data(numbered(tmp_path, sizes, table))
    for fold in folds(data, 4, 0):
        seen = rows(fold.train) + rows(fold.validation) + rows(fold.test)
        assert sorted(seen) == list(range(100))
    assert [f.digest for f in folds(data, 4, 0)] != [f.digest for f in folds(data, 4, 1)]


def test_too_many_folds_are_refused(tmp_path: Path) -> None:
    data = load_data(numbered(tmp_path, [10, 90]))
    with pytest.raises(DataError, match="9 folds cannot be cut: class 0 has 8 rows, at least 9 are needed"):
        folds(data, 9, 0)
    for k in (0, 1, 81):
        with pytest.raises(DataError, match=f"{k} folds of 80 rows: expected from 2"):
            folds(data, k, 0)


@pytest.mark.parametrize("table", [False, True])
def test_the_whole_is_train_and_validation(table: bool, tmp_path: Path) -> None:
    data = load_data(numbered(tmp_path, [30, 70], table))
    all_rows = whole(data)
    assert rows(all_rows.train) == rows(data.train) + rows(data.validation)
    assert (len(all_rows.validation), all_rows.shape, all_rows.test) == (0, data.shape, data.test)
    assert all_rows.digest != data.digest


@given(fraction=st.floats(0.1, 1.0), seed=st.integers(0, 2**31))
def test_a_fraction_is_stratified_and_leaves_the_test_part(fraction: float, seed: int, digits: Data) -> None:
    full, some = (load_data(DataSpec("digits", seed, fraction=f)) for f in (1.0, fraction))
    assert np.array_equal(some.test.x, full.test.x)
    for part, of in ((some.train, full.train), (some.validation, full.validation)):
        expected = np.bincount(of.y) * fraction
        assert np.all(np.abs(np.bincount(part.y) - expected) <= 0.5)
        assert {row.tobytes() for row in part.x} <= {row.tobytes() for row in of.x}
    assert (some.digest == full.digest) == (len(some.train) == len(full.train))


def test_a_fraction_of_values(tmp_path: Path) -> None:
    data = load_data(numbered(tmp_path, [], fraction=0.25))
    assert [len(p) for p in (data.train, data.validation, data.test)] == [16, 4, 20]
    assert len(set(rows(data.train) + rows(data.validation) + rows(data.test))) == 40


def test_a_fraction_that_leaves_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"fraction 0\.05 is too small: class 0 has 6 rows of which none is left"
    ):
        load_data(numbered(tmp_path, [10, 90], fraction=0.05))
    with pytest.raises(
        DataError, match=r"fraction 0\.001 is too small: a part has 64 rows of which none is left"
    ):
        load_data(numbered(tmp_path, [], fraction=0.001))
    for fraction in (0.0, -1.0, 1.01, float("nan")):
        with pytest.raises(ConfigError, match="expected more than 0, up to 1"):
            check_data(DataSpec("digits", fraction=fraction))


@given(
    sizes=st.lists(st.integers(7, 40), min_size=2, max_size=6),
    seed=st.integers(0, 2**31),
)
def test_seven_rows_of_a_class_are_enough_for_each_part(
    sizes: list[int], seed: int, tmp_path_factory: Any
) -> None:
    data = load_data(numbered(tmp_path_factory.mktemp("seven"), sizes, seed=seed))
    assert sorted(rows(data.train) + rows(data.validation) + rows(data.test)) == list(range(sum(sizes)))
    for part in (data.train, data.validation, data.test):
        assert set(part.y) == set(range(len(sizes)))
