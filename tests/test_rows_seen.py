"""A sketch of the rows that a champion was searched with tells whether it may have seen the test rows."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mlflow_hpo import tune
from mlflow_hpo.data import Part
from mlflow_hpo.data.sketch import shares_rows, sketch
from mlflow_hpo.store import Connection

X = np.random.default_rng(0).normal(size=(2000, 3)).astype("float32")
Y = (X[:, 0] > 0).astype(int)


def table(x: Any) -> pd.DataFrame:
    return pd.DataFrame(x, columns=["a", "b", "c"]).assign(word=np.where(x[:, 0] > 0, "yes", "no"))


FORMS: dict[str, Callable[[Any], Any]] = {
    "array": lambda x: x,
    "table": table,
    "several": lambda x: {"a": x, "b": table(x)},
    "text": lambda x: x.astype(str).astype(object),
}


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_found_among_others_whatever_they_are_and_others_are_not(form: str) -> None:
    def part(rows: slice) -> Part:
        return Part(FORMS[form](X[rows]), Y[rows])

    known = sketch(part(slice(0, 800)), part(slice(800, 1600)))
    assert shares_rows(known, part(slice(1400, 1800))) is True
    assert shares_rows(known, part(slice(1600, 2000))) is False
    assert len(known) < 1100


@given(st.integers(1, 300), st.integers(0, 300))
def test_no_row_is_found_that_was_not_there(size: int, more: int) -> None:
    known = sketch(Part(X[:size], Y[:size]))
    assert not shares_rows(known, Part(X[size : size + more], Y[size : size + more]))


def test_too_few_rows_tell_nothing() -> None:
    assert shares_rows(sketch(Part(X, Y)), Part(X[:2] + 1, Y[:2])) is None
    assert shares_rows("", Part(X, Y)) is None


@pytest.mark.parametrize("shared", [True, False])
def test_the_note_stands_only_where_rows_may_have_been_seen(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, shared: bool
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.uri)
    cut, name = slice(0 if shared else 1000, 2000), f"seen-{shared}"
    how: dict[str, Any] = {"max_trials": 1, "register": name, "progress": False, "workers": 1}
    tune(LogisticRegression(), {"C": [1e-5]}, (X[:1000], np.roll(Y[:1000], 1)), **how)
    tune(LogisticRegression(), {"C": [1]}, (X[cut], Y[cut]), **how)
    newest = connection.client.get_model_version_by_alias(name, "champion")
    assert str(newest.version) == "2", "the better one took the alias"
    assert ("may have seen" in str(newest.description)) is shared
