"""Columns of pandas's rarer types, sparse matrices and scikit-learn's bunches are taken as data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from data_loading import given
from scipy import sparse
from sklearn.datasets import load_iris

from mlflow_hpo.data import load_data
from mlflow_hpo.data.odd_columns import plain_columns
from mlflow_hpo.errors import DataError

Y = np.arange(40) % 2


def test_what_has_a_plain_form_takes_it() -> None:
    table = pd.DataFrame(
        {
            "kind": pd.Categorical(["a", "b", None]),
            "cut": pd.cut(pd.Series([1, 2, np.nan]), 2),
            "word": ["x", None, "y"],
            "took": pd.to_timedelta([1, None, 3], unit="s"),
            "month": pd.period_range("2020-01", periods=3, freq="M"),
        }
    )
    plain = plain_columns(table, "train")
    assert isinstance(plain["kind"].dtype, pd.CategoricalDtype)
    assert [*plain["took"].fillna(0)] == [1, 0, 3]
    assert [*plain["month"]] == [*pd.to_datetime(["2020-01-01", "2020-02-01", "2020-03-01"])]
    assert [*plain["cut"].dropna()] == ["(0.999, 1.5]", "(1.5, 2.0]"]
    assert plain["word"].equals(table["word"])
    levels = pd.MultiIndex.from_tuples([("a", 1), ("b", 2)])
    assert [*plain_columns(pd.DataFrame([[1, 2]], columns=levels), "train")] == ["a_1", "b_2"]


@pytest.mark.parametrize("value", [[1, 2], {"a": 1}, np.zeros(3)], ids=["list", "dict", "array"])
def test_what_has_none_is_named(value: Any) -> None:
    with pytest.raises(
        DataError, match=r"train part: column 'z' holds a .*: expected numbers, words or dates"
    ):
        plain_columns(pd.DataFrame({"z": [value] * 3}), "train")


def test_sparse_matrices_and_bunches(tmp_path: Path) -> None:
    x = np.random.default_rng(0).random((40, 3)).astype("float32")
    whole = load_data(given((x, Y), tmp_path))
    for matrix in (sparse.csr_matrix(x), sparse.coo_array(x)):
        assert load_data(given((matrix, Y), tmp_path)).digest == whole.digest
    wide = sparse.csr_matrix((40, 10**8), dtype="float32")
    with pytest.raises(DataError, match=r"x is sparse, of shape \(40, 100000000\), and would take 15 GiB as"):
        load_data(given((wide, Y), tmp_path))
    for frame in (False, True):
        data = load_data(given(load_iris(as_frame=frame), tmp_path))
        assert (data.classes, data.is_table) == (3, frame)
