"""A table's raw columns become numbers, also those of rows that nobody has seen before."""

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from data_loading import given

from mlflow_hpo.data import Data, DataSpec, load_data, whole
from mlflow_hpo.data.columns import kind_of
from mlflow_hpo.data.preprocess import model_inputs, needs_preprocessing, preprocessed

ROWS = 200
WORDS = np.array(["late", "train", "cheap", "seat", "window", "coffee", "cold", "queue", "fast", "kind"])


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    days = pd.to_datetime("2024-01-01") + pd.to_timedelta(rng.integers(0, 300, ROWS), unit="D")
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 9, ROWS),
            "children": rng.integers(0, 4, ROWS),
            "member": rng.random(ROWS) < 0.5,
            "city": rng.choice(["Kiel", "Ulm", "Bonn"], ROWS),
            "size": pd.Categorical(rng.choice(["S", "M"], ROWS)),
            "joined": days,
            "left": days.strftime("%Y-%m-%d"),
            "remark": [f"{' '.join(rng.choice(WORDS, 6))} {i}" for i in range(ROWS)],
            "code": [f"A{i:05}" for i in range(ROWS)],
            "y": rng.choice(["no", "yes"], ROWS),
        }
    )
    frame.loc[::9, ["age", "city", "left"]] = None
    return frame


@pytest.fixture
def data(tmp_path: Path) -> Data:
    return load_data(given(table(), tmp_path, "y"))


def test_every_kind_of_column_is_told() -> None:
    assert {name: kind_of(column) for name, column in table().items()} == {
        "age": "number",
        "children": "number",
        "member": "flag",
        "city": "category",
        "size": "category",
        "joined": "date",
        "left": "date",
        "remark": "text",
        "code": "category",
        "y": "category",
    }


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([None, None], "number"),
        ([1, None], "number"),
        ([True, None], "flag"),
        (["2024-13-45", "2024-01-01"], "category"),  # looks like dates and is none
        (["may", "mon"], "category"),  # pandas would take them for days near today
        (["very good", "very bad"] * 9, "category"),  # spaces, but few distinct values
        (["a b", "c d"], "category"),  # no words
        ([1, "one"], "category"),
        ([[1], [2]], "category"),
    ],
)
def test_doubtful_columns(values: list[Any], kind: str) -> None:
    assert kind_of(pd.Series(values)) == kind


def test_parts_become_finite_arrays_of_one_width(data: Data) -> None:
    arrays, transformer = preprocessed(data)
    assert arrays.shape == (2 + 1 + 1 + 4 + 2 + 50 + 3 + words(transformer),)
    for part, raw in zip((arrays.train, arrays.validation, arrays.test), raw_parts(data), strict=True):
        assert part.x.dtype == np.float32
        assert part.x.shape == (len(raw), *arrays.shape)
        assert np.isfinite(part.x).all()
        assert np.array_equal(part.y, raw.y)
    assert (arrays.digest, arrays.labels, arrays.is_table) == (data.digest, ("no", "yes"), False)
    assert preprocessed(data)[1] is transformer


def words(transformer: Any) -> int:
    return len(transformer.named_transformers_["text remark"][-1].vocabulary_)


def raw_parts(data: Data) -> list[Any]:
    return [data.train, data.validation, data.test]


def test_it_is_fitted_on_the_training_part_alone(data: Data) -> None:
    arrays, transformer = preprocessed(data)
    ages = data.train.x["age"]
    assert transformer.named_transformers_["number"][-2].statistics_[0] == pytest.approx(ages.median())
    assert np.allclose(arrays.train.x[:, :2].mean(axis=0), 0, atol=1e-5)
    assert not np.allclose(arrays.test.x[:, :2].mean(axis=0), 0, atol=1e-5)


def test_no_rows_to_validate_with(data: Data) -> None:
    arrays, _ = preprocessed(whole(data))
    assert arrays.validation.x.shape == (0, *arrays.shape)
    assert len(arrays.train) == 160


def test_raw_rows_at_serving(data: Data) -> None:
    _, transformer = preprocessed(data)
    seen = data.test.x[data.test.x["age"].notna()].iloc[:3]
    assert np.allclose(transformer.transform(seen[sorted(seen)].assign(extra=1)), transformer.transform(seen))
    unseen = pd.DataFrame(
        {
            "age": [40, 41],
            "children": [1.0, None],
            "member": [True, None],
            "city": ["Rome", None],
            "size": ["XXL", None],
            "joined": ["2025-02-03", None],
            "left": [None, "not a date"],
            "remark": ["late again", None],
            "code": ["?", 7],
        }
    )
    numbers = transformer.transform(unseen)
    assert np.isfinite(numbers).all()
    assert len(set(map(tuple, numbers))) == 2
    for i in range(len(unseen)):  # alone, a column may have another type
        alone = pd.DataFrame([unseen.iloc[i].to_dict()])
        assert np.allclose(transformer.transform(alone), numbers[i])


@pytest.mark.parametrize("column", ["age", "member", "city", "left", "remark"])
def test_a_missing_value_is_the_same_in_every_form(column: str, data: Data) -> None:
    _, transformer = preprocessed(data)
    row = data.train.x.iloc[:1].astype({column: object})
    missing = [transformer.transform(row.assign(**{column: [m]})) for m in (None, np.nan, pd.NA)]
    assert all(np.array_equal(missing[0], other) for other in missing)


def test_numbers_that_are_infinite_count_as_missing(data: Data) -> None:
    _, transformer = preprocessed(data)
    row = data.train.x.iloc[:1]
    infinite, missing = (transformer.transform(row.assign(age=value)) for value in (np.inf, np.nan))
    assert np.array_equal(infinite, missing)


def test_it_loads_with_scikit_learn_alone(data: Data, tmp_path: Path) -> None:
    _, transformer = preprocessed(data)
    rows = data.test.x
    for name, module in (("plain", pickle), ("cloud", cloudpickle)):
        (tmp_path / name).write_bytes(module.dumps((transformer, rows, transformer.transform(rows))))
        program = (
            "import pickle, sys, numpy\n"
            "sys.modules['mlflow_hpo'] = None\n"
            f"transformer, rows, expected = pickle.load(open({name!r}, 'rb'))\n"
            "assert numpy.array_equal(transformer.transform(rows), expected)\n"
        )
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)


def test_columns_of_other_types_of_pandas(tmp_path: Path) -> None:
    frame = table().convert_dtypes()
    frame["when"] = frame["joined"].dt.tz_localize("Europe/Berlin")
    frame.loc[::7, ["children", "member", "size", "when", "remark"]] = pd.NA
    frame["none"] = None
    data = load_data(given(frame, tmp_path, "y"))
    arrays, transformer = preprocessed(data)
    assert all(np.isfinite(part.x).all() for part in (arrays.train, arrays.validation, arrays.test))
    row = data.train.x[data.train.x.notna().drop(columns="none").all(axis=1)].iloc[:1]
    as_objects = pd.DataFrame([row.iloc[0].to_dict()], dtype=object)
    assert np.allclose(transformer.transform(as_objects), transformer.transform(row))


def test_what_is_no_table_needs_nothing() -> None:
    digits = load_data(DataSpec("digits"))
    inputs = model_inputs(digits, "auto")
    assert (inputs.data, inputs.raw, inputs.transformer) == (digits, digits, None)
    assert needs_preprocessing(digits) == ""


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        (["children", "member"], ""),
        (["children", "city"], "column 'city' holds no numbers"),
        (["children", "joined"], "column 'joined' holds no numbers"),
        (["children", "age"], "column 'age' has 23 missing values"),
    ],
)
def test_what_a_model_of_numbers_cannot_take_is_named(
    columns: list[str], reason: str, tmp_path: Path
) -> None:
    frame = table()
    data = load_data(given((frame[columns], frame["y"]), tmp_path))
    assert needs_preprocessing(data) == reason
