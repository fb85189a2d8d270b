"""Tables: CSV and Parquet files with a column to predict."""

from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from source_contract import SourceContract

from mlflow_hpo.data import DataSpec, check_data, load_data
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.errors import ConfigError, DataError, HpoError

ROWS = 100


def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "height": rng.normal(size=ROWS),
            "town": ["Kiel", "Ulm", None, "Ulm", "Ulm"] * (ROWS // 5),
            "kind": ["cat", "dog", "ant", "dog"] * (ROWS // 4),
            "price": rng.normal(size=ROWS),
            "stars": np.arange(ROWS) % 5 + 1,
            "sold": np.arange(ROWS) % 2 == 0,
            "year": np.arange(ROWS) + 1900,
        }
    )


@pytest.fixture(autouse=True)
def files() -> None:
    """In the working folder, which is a test's own."""
    table().to_csv("t.csv", index=False)
    table().to_csv("t.csv.gz", index=False)
    table().to_parquet("t.parquet")
    load_data.cache_clear()


def load(name: str = "t.csv", target: str | None = "kind", **options: Any) -> Any:
    spec = DataSpec(name, target=target, **options)
    check_data(spec)
    return load_data(spec)


class TestCsv(SourceContract):
    rows = ROWS
    missing = "none.csv"
    options: ClassVar[dict[str, Any]] = {"target": "kind"}

    def good(self) -> str:
        return "t.csv"


class TestParquet(TestCsv):
    missing = "none.parquet"

    def good(self) -> str:
        return "t.parquet"


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.parquet"])
def test_a_table_keeps_its_raw_columns(name: str) -> None:
    data = load(name)
    assert (data.name, data.source, data.is_table, data.shape) == (name, name, True, (6,))
    assert list(data.train.x) == ["height", "town", "price", "stars", "sold", "year"]
    assert [len(p) for p in (data.train, data.validation, data.test)] == [64, 16, 20]
    together = pd.concat([p.x for p in (data.train, data.validation, data.test)]).sort_values("year")
    assert np.allclose(together["height"], table()["height"])
    assert together["town"].isna().sum() == table()["town"].isna().sum()


def test_the_digest_is_of_the_content_whatever_the_file() -> None:
    assert len({load(name).digest for name in ("t.csv", "t.csv.gz", "t.parquet")}) == 1
    seen = {load().digest}
    for column, value in (("height", 1.0), ("town", "Bonn"), ("kind", "dog")):
        changed = table()
        changed.loc[:1, column] = value
        changed.to_csv("t.csv", index=False)
        load_data.cache_clear()
        seen.add(load().digest)
    table().rename(columns={"height": "weight"}).to_csv("t.csv", index=False)
    load_data.cache_clear()
    seen.add(load().digest)
    assert len(seen) == 5


@pytest.mark.parametrize(
    ("target", "task", "labels"),
    [
        ("kind", "classification", ("ant", "cat", "dog")),
        ("stars", "classification", ("1", "2", "3", "4", "5")),
        ("sold", "classification", ("False", "True")),
        ("price", "regression", ()),
        ("year", "regression", ()),  # whole numbers, but many
    ],
)
def test_the_task_is_told_by_the_target(target: str, task: str, labels: tuple[str, ...]) -> None:
    data = load(target=target)
    assert (data.task, data.labels, data.classes) == (task, labels, len(labels))
    assert data.train.y.dtype == (np.int64 if labels else np.float32)


def test_classes_are_numbered_in_the_order_of_their_names() -> None:
    data = load()
    names = table().set_index("year")["kind"]
    for part in (data.train, data.validation, data.test):
        assert [data.labels[i] for i in part.y] == [names[year] for year in part.x["year"]]


def test_the_task_may_be_said() -> None:
    stars = load(target="stars", task="regression")
    assert (stars.task, stars.classes, set(stars.train.y)) == ("regression", 0, {1.0, 2.0, 3.0, 4.0, 5.0})
    with pytest.raises(DataError, match="class '1900' has 1 row, at least 2 are needed"):
        load(target="year", task="classification")
    with pytest.raises(DataError, match="the target is no number, such as 'cat': regression needs numbers"):
        load(task="regression")


def test_classes_that_are_numbers_from_zero_have_no_names() -> None:
    table().assign(kind=np.arange(ROWS) % 3).to_csv("t.csv", index=False)
    assert (load().labels, load().classes) == ((), 3)
    table().assign(kind=np.arange(ROWS) % 3 * 1.0).to_csv("t.csv", index=False)
    load_data.cache_clear()
    assert (load().labels, load().classes, load().train.y.dtype) == ((), 3, np.int64)


def test_few_whole_numbers_may_be_meant_as_values() -> None:
    marks = np.array([3, 9, *[5, 6] * 49])
    table().assign(stars=marks).to_csv("t.csv", index=False)
    hint = "class '3' has 1 row, at least 2 are needed; if these are no classes but values, say that the task"
    with pytest.raises(DataError, match=hint):
        load(target="stars")
    load_data.cache_clear()
    assert load(target="stars", task="regression").classes == 0


def test_decimal_numbers_of_a_database_are_values() -> None:
    prices: Any = [Decimal(i) / 3 for i in range(ROWS)]
    table().assign(price=prices).to_parquet("t.parquet")
    assert load("t.parquet", target="price").task == "regression"


def test_rows_without_a_target_are_refused_with_their_count() -> None:
    for column in ("kind", "price"):
        broken = table()
        broken.loc[:6, column] = None
        broken.to_csv("t.csv", index=False)
        with pytest.raises(DataError, match="the target is missing or not finite in 7 of 100 rows"):
            load(target=column)


@pytest.mark.parametrize(
    ("name", "target", "message"),
    [
        ("t.csv", None, "data 't.csv' needs a target, the column to predict: one of height, town, kind"),
        ("t.parquet", "knd", "target 'knd' is no column of data 't.parquet': there are height, town, kind"),
        ("no.csv", "kind", "data 'no.csv': there is no such file"),
        ("bad.parquet", "kind", "data 'bad.parquet' cannot be read: "),
        ("empty.csv", "kind", "data 'empty.csv' cannot be read: No columns to parse from file"),
        ("bad.csv.gz", "kind", "data 'bad.csv.gz' cannot be read: Not a gzipped file"),
        ("latin.csv", "kind", "data 'latin.csv' is not in UTF-8: say its encoding, as read-options"),
    ],
)
def test_the_driver_can_tell_what_is_wrong(name: str, target: str | None, message: str) -> None:
    for broken in ("bad.parquet", "bad.csv.gz"):
        Path(broken).write_text("no such thing")
    Path("empty.csv").touch()
    Path("latin.csv").write_bytes("größe,kind\n1,2".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        check_data(DataSpec(name, target=target))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("kind\na\nb\n", "there is no column beside the target"),
        ("a,kind\n", "there are no rows"),
        ("a,kind\n1,2,3,4\n1\n1,2,3,4,5\n", "data 't.csv' cannot be read: Error tokenizing data"),
        ("a,kind\n1,x\n2,x\n", "the target has one class only, 'x'"),
        ("a,kind\n1,1.5\n", "the data cannot be split: it has 1 row"),
        ("a,kind\n1,x\n2,x\n3,y\n4,y\n5,z\n6,z\n", "6 rows in 3 classes"),
        ("a,kind\n" + "1,x\n" * 50 + "1,y\n" * 2, "class 'y' has 2 rows, too few to be in each part"),
    ],
)
def test_what_a_worker_finds_wrong_is_one_line(text: str, message: str) -> None:
    Path("t.csv").write_text(text)
    with pytest.raises(HpoError) as caught:
        load()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_target_that_stands_twice_is_refused() -> None:
    Path("twice.csv").write_text("kind,size,kind\na,1,b\n")
    with pytest.raises(ConfigError, match=r"target 'kind' stands 2 times in data 'twice.csv': give each"):
        load("twice.csv")
    check_data(DataSpec("twice.csv", target="size"))
    given = pd.DataFrame([["a", 1, "b"]], columns=["kind", "size", "kind"])
    with pytest.raises(ConfigError, match="target 'kind' stands 2 times in data from Python"):
        raw_data_of(given, DataSpec("given:data", target="kind"))
