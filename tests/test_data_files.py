"""Tables in files of every form: what can be told is read, and what cannot is refused with what says it."""

import json
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlflow_hpo.data import Data, DataSpec, check_data, load_data
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.settings import read_settings

ROWS = 60
TABLE = pd.DataFrame(
    {
        "Größe": np.arange(ROWS) * 1.25,
        "Ort": ["Köln", "Ulm", "Fürth"] * 20,
        "n": range(ROWS),
        "kind": ["a", "b"] * 30,
    }
)
Write = Callable[..., Any]


def load(name: str, target: str | None = "kind", **options: Any) -> Data:
    load_data.cache_clear()
    spec = DataSpec(name, target=target, read_options=json.dumps(options) if options else "")
    check_data(spec)
    return load_data(spec)


def as_text(**how: Any) -> Write:
    return partial(TABLE.to_csv, index=False, **how)


def zipped(*members: tuple[str, str]) -> Write:
    def write(name: str) -> None:
        with zipfile.ZipFile(name, "w") as archive:
            for member, text in members:
                archive.writestr(member, text)

    return write


def written(text: str) -> Write:
    return lambda name: Path(name).write_text(text)


SEMICOLONS = TABLE.to_csv(index=False, sep=";", decimal=",")
THOUSANDS = SEMICOLONS.replace("\n1,25;", "\n1.001,25;")


@pytest.mark.parametrize(
    ("name", "write", "options"),
    [
        ("t.csv", as_text(sep=";"), {}),
        ("t.csv", as_text(sep=";", decimal=","), {}),
        ("t.csv", as_text(sep="\t", decimal=","), {}),
        ("t.txt", as_text(sep="|"), {}),
        ("t.tsv", as_text(sep="\t"), {}),
        ("t.csv", as_text(encoding="utf-16"), {}),
        ("t.csv", as_text(encoding="utf-8-sig"), {}),
        ("t.csv", as_text(encoding="utf-32", sep=";"), {}),
        ("t.csv", as_text(encoding="cp1252"), {"encoding": "cp1252"}),
        ("t.csv", as_text(encoding="utf-16-le"), {"encoding": "utf-16-le"}),
        ("t.csv", as_text(decimal=","), {"decimal": ","}),
        ("t.csv", as_text(sep=";"), {"sep": "[;]"}),
        ("t.csv", lambda name: Path(name).write_text("junk\n" + SEMICOLONS), {"skiprows": 1}),
        ("T.CSV", as_text(), {}),
        ("t.csv.zip", as_text(), {}),
        ("t.zip", zipped(("in/t.csv", SEMICOLONS), ("__MACOSX/t.csv", "")), {}),
        ("t.tsv.gz", as_text(sep="\t"), {}),
        ("t.csv.bz2", as_text(), {}),
        ("t.csv.xz", as_text(), {}),
        ("t.feather", TABLE.to_feather, {}),
        ("t.parquet", TABLE.to_parquet, {}),
        ("t.jsonl", partial(TABLE.to_json, orient="records", lines=True), {}),
        ("t.ndjson.gz", partial(TABLE.to_json, orient="records", lines=True, force_ascii=False), {}),
        ("t.json", partial(TABLE.to_json, orient="records"), {}),
        ("t.json", partial(TABLE.to_json, orient="split"), {"orient": "split"}),
    ],
)
def test_a_table_is_the_same_in_every_form(name: str, write: Write, options: dict[str, Any]) -> None:
    write(name)
    data = load(name, **options)
    rows = pd.concat([data.train.x, data.validation.x, data.test.x]).sort_values("n", ignore_index=True)
    pd.testing.assert_frame_equal(rows, TABLE.drop(columns="kind"), check_dtype=False)
    assert rows["Größe"].dtype == np.float64


def test_points_between_thousands_are_read_beside_decimal_commas() -> None:
    Path("t.csv").write_text(THOUSANDS)
    data = load("t.csv")
    assert sum(part.x["Größe"].sum() for part in (data.train, data.validation, data.test)) == pytest.approx(
        TABLE["Größe"].sum() + 1000
    )


@pytest.mark.parametrize(
    ("name", "write", "problem"),
    [
        ("t.csv", as_text(encoding="cp1252"), 'say its encoding, as read-options {"encoding": "cp1252"}'),
        ("t.csv", as_text(encoding="utf-16-le"), 'as read-options {"encoding": "utf-16-le"}'),
        ("t.csv", as_text(decimal=","), "column 'Größe' holds '0,0': say what the comma means"),
        ("t.csv", written("a;b;kind\n" + "1,5;1.5;x\n2,5;2.5;y\n" * 9), "column 'a' holds '1,5': say"),
        ("t.csv", written("a;b,c;kind\n" + "1;2,3;x\n" * 9), "separated by ',' or ';': say which"),
        ("t.zip", zipped(("a.csv", ""), ("b.csv", "")), "holds a.csv, b.csv: expected one table"),
        ("t.zip", zipped(("readme.md", "")), "holds readme.md: expected one table"),
        ("t.zip", zipped(), "holds nothing: expected one table"),
        ("t.zip", written("x"), "cannot be read: File is not a zip file"),
        ("t.csv.xz", written("x"), "cannot be read: Input format not supported by decoder"),
        ("t.feather", written("x"), "cannot be read: File is too small"),
        ("t.json", written('{"a": 1}'), "is no list of records: expected an object for each row"),
        ("t.json", written("["), "cannot be read: Expecting value"),
        ("t.jsonl", written('{"a": [1], "kind": "x"}\n'), "holds lists: give each value a column"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_named(name: str, write: Write, problem: str) -> None:
    write(name)
    with pytest.raises((ConfigError, DataError)) as caught:
        load(name)
    assert f"{name!r}" in str(caught.value)
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"nope": 1}, r"read_csv\(\) got an unexpected keyword argument 'nope'"),
        ({"encoding": "nope"}, "cannot be read: unknown encoding: nope"),
        ({"encoding": "ascii"}, "is not in ascii: say its encoding, by read-options"),
    ],
)
def test_a_bad_option_is_one_line(options: dict[str, Any], problem: str) -> None:
    as_text()("t.csv")
    with pytest.raises(ConfigError, match=problem):
        load("t.csv", **options)


def test_options_are_for_tables_in_files() -> None:
    with pytest.raises(ConfigError, match=r'read-options: {"sep": ";"} are for tables in files'):
        load("digits", target=None, sep=";")
    for value in ("x", "[1]", 5, {"sep": {1, 2}}):
        with pytest.raises(ConfigError, match="read-options: must be options of pandas, as"):
            read_settings({"read_options": value})
    for good in ({"sep": ";"}, '{"sep": ";"}'):
        assert read_settings({"read_options": good}).read_options == '{"sep": ";"}'
