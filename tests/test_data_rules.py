"""Splits by group, by time and by a column: what may not be apart is never apart, in parts and in folds."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    StratifiedKFold,
    TimeSeriesSplit,
)

from mlflow_hpo.data import Data, DataSpec, Roles, check_data, folds, load_data, made_splits, save_data, whole
from mlflow_hpo.data.roles import as_times
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.user_code import use_contents

TARGET = "y"


def table(rows: int = 100, seed: int = 0, classes: int = 2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    columns = {"row": np.arange(rows), "patient": random.integers(0, 12, rows).astype(str)}
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(random.integers(0, 40, rows), unit="D")
    y = random.integers(0, classes, rows) if classes else random.normal(size=rows)
    return pd.DataFrame({**columns, "day": days.strftime("%Y-%m-%d"), TARGET: y})


def spec_of(frame: Any, folder: Path, splitter: Any = None, **how: Any) -> DataSpec:
    use_contents(folder)
    columns = {"target": how.pop("target", TARGET), "roles": Roles(**how.pop("roles", {}))}
    content = save_data(frame, folder, DataSpec("given:data", **columns))
    spec = DataSpec("given:data", content=content, **columns, **how)
    if splitter is None:
        return spec
    splits = made_splits(splitter, spec).save(folder)
    return DataSpec("given:data", content=content, splits=splits, **columns, **how)


def numbers(part: Any) -> list[int]:
    return [int(v) for v in part.x["row"]]


def parts_of(data: Data) -> list[list[int]]:
    return [numbers(part) for part in (data.train, data.validation, data.test)]


def values(frame: pd.DataFrame, column: str, rows: list[int]) -> set[str]:
    return set(frame[column].iloc[rows])


class TestGroups:
    @settings(max_examples=15)
    @given(
        seed=st.integers(0, 2**31), classes=st.sampled_from([0, 2, 3]), fraction=st.sampled_from([1.0, 0.6])
    )
    def test_no_group_is_in_two_parts_or_folds(
        self, seed: int, classes: int, fraction: float, tmp_path_factory: Any
    ) -> None:
        frame = table(120, seed, classes)
        task = "classification" if classes else "regression"
        how = {"seed": seed, "roles": {"group": "patient"}, "task": task, "fraction": fraction}
        data = load_data(spec_of(frame, tmp_path_factory.mktemp("groups"), **how))
        seen = [values(frame, "patient", rows) for rows in parts_of(data)]
        assert not seen[0] & seen[1] | seen[0] & seen[2] | seen[1] & seen[2]
        assert "patient" not in data.train.x
        held_out = []
        for fold in folds(data, 3, seed):
            inside, outside = (values(frame, "patient", numbers(p)) for p in (fold.train, fold.validation))
            assert not inside & outside
            assert not outside & seen[2]
            held_out += numbers(fold.validation)
        assert sorted(held_out) == sorted(parts_of(data)[0] + parts_of(data)[1])

    def test_parts_have_about_their_shares(self, tmp_path: Path) -> None:
        frame = table(1000).assign(patient=np.arange(1000) % 100)
        data = load_data(spec_of(frame, tmp_path, roles={"group": "patient"}))
        assert [round(len(rows), -1) for rows in parts_of(data)] == [640, 160, 200]

    def test_the_final_training_has_all_rows_but_those_of_the_test_part(self, tmp_path: Path) -> None:
        data = load_data(spec_of(table(), tmp_path, roles={"group": "patient"}))
        train, validation, test = parts_of(data)
        assert parts_of(whole(data)) == [train + validation, [], test]

    def test_too_few_groups_are_named(self, tmp_path: Path) -> None:
        frame = table().assign(patient=np.repeat(["a", "b"], 50))
        with pytest.raises(DataError, match="group-column: all rows that are left to be split are of one gr"):
            load_data(spec_of(frame, tmp_path, roles={"group": "patient"}))
        data = load_data(spec_of(table(), tmp_path, roles={"group": "patient"}))
        with pytest.raises(DataError, match="folds: 12 folds need 12 groups, and there are 10"):
            folds(data, 12, 0)

    def test_a_class_that_only_one_group_has_is_named(self, tmp_path: Path) -> None:
        frame = table(30).assign(patient=np.repeat(["a", "b", "c"], 10), y=np.repeat(["x", "y", "z"], 10))
        with pytest.raises(DataError, match=r"group-column: class '[xyz]' is in too few groups"):
            load_data(spec_of(frame, tmp_path, roles={"group": "patient"}))


class TestTimes:
    @settings(max_examples=15)
    @given(seed=st.integers(0, 2**31), fraction=st.sampled_from([1.0, 0.5]))
    def test_the_past_trains_and_the_future_tests(
        self, seed: int, fraction: float, tmp_path_factory: Any
    ) -> None:
        frame = table(200, seed)
        folder = tmp_path_factory.mktemp("times")
        data = load_data(spec_of(frame, folder, roles={"time": "day"}, seed=seed, fraction=fraction))
        days = [values(frame, "day", rows) for rows in parts_of(data)]
        assert max(days[0]) < min(days[1])
        assert max(days[1]) < min(days[2])
        last = 0
        for fold in folds(data, 4, seed):
            past, future = (values(frame, "day", numbers(p)) for p in (fold.train, fold.validation))
            assert max(past) < min(future)
            assert max(future) < min(days[2])
            assert len(fold.train) > last
            last = len(fold.train)

    @pytest.mark.parametrize("rows", [25, 61, 100])
    def test_folds_of_different_times_are_those_of_time_series_split(self, rows: int, tmp_path: Path) -> None:
        order = np.random.default_rng(1).permutation(rows)
        frame = pd.DataFrame({"row": order, "day": order * 1.5, TARGET: order % 7 * 0.3})
        data = load_data(spec_of(frame, tmp_path, roles={"time": "day"}))
        assert [row for rows_ in parts_of(data) for row in rows_] == list(range(rows))
        left = len(data.train) + len(data.validation)
        for fold, (train, test) in zip(
            folds(data, 4, 0), TimeSeriesSplit(4).split(np.empty(left)), strict=True
        ):
            assert (numbers(fold.train), numbers(fold.validation)) == ([*train], [*test])

    def test_too_few_times_are_named(self, tmp_path: Path) -> None:
        one = table().assign(day=2024)
        with pytest.raises(DataError, match="time-column: all rows that are left to be split have the same"):
            load_data(spec_of(one, tmp_path, roles={"time": "day"}))
        data = load_data(spec_of(one.assign(day=np.arange(100) // 20), tmp_path, roles={"time": "day"}))
        with pytest.raises(DataError, match="4 folds in the order of time need 5 different times, and there"):
            folds(data, 4, 0)

    @pytest.mark.parametrize(
        ("days", "first"),
        [
            (["2024-02-01", "2024-01-01 10:00"], 1),
            (["13/02/2024", "03/02/2024"], 1),
            (["02/13/2024", "03/02/2024"], 0),
            (["10", "9"], 1),
            ([2.5, 1], 1),
            (pd.period_range("2024-01", periods=2, freq="M"), 0),
            (pd.date_range("2024", periods=2, tz="Europe/Berlin")[::-1], 1),
            (["2024-01-02T00:00:00+02:00", "2024-01-02T00:00:00Z"], 0),
        ],
    )
    def test_times_are_read(self, days: Any, first: int) -> None:
        assert int(np.argmin(as_times(pd.Series(days)))) == first

    @pytest.mark.parametrize(
        ("days", "problem"),
        [
            (["01/02/2024", "03/02/2024"], "'01/02/2024' may be two days, by the order of day and month"),
            (["2024-01-01", "soon"], "'soon' cannot be read as a time or a number: write all times in one"),
            ([True, False], "True cannot be read as a time"),
            ([1.0, None], "its value is missing in 50 of 100 rows"),
            ([1.0, np.inf], "a time is not finite"),
        ],
    )
    def test_what_is_no_time_is_named(self, days: list[Any], problem: str, tmp_path: Path) -> None:
        frame = table().assign(day=pd.Series(days * 50, dtype=object))
        with pytest.raises(DataError, match=f"time-column: {problem}"):
            load_data(spec_of(frame, tmp_path, roles={"time": "day"}))


def test_the_times_may_be_the_index(tmp_path: Path) -> None:
    frame = table().assign(day=np.arange(100)[::-1]).set_index("day")
    data = load_data(spec_of(frame, tmp_path, roles={"time": "day"}))
    assert set(parts_of(data)[2]) == set(range(20))
    frame.to_parquet("indexed.parquet")
    stored = DataSpec("indexed.parquet", target=TARGET, roles=Roles(time="day"))
    check_data(stored)
    assert load_data(stored).digest == data.digest


class TestPartColumn:
    def test_each_row_is_in_its_part(self, tmp_path: Path) -> None:
        words = np.array(["Train", "val", "TEST", "training"])[np.arange(100) % 4]
        data = load_data(spec_of(table().assign(part=words), tmp_path, roles={"part": "part"}))
        assert parts_of(data) == [[i for i in range(100) if i % 4 in ours] for ours in ({0, 3}, {1}, {2})]
        assert "part" not in data.train.x

    def test_no_row_is_tested_that_is_not_in_the_test_part(self, tmp_path: Path) -> None:
        frame = table().assign(part=["train", "validation"] * 50)
        data = load_data(spec_of(frame, tmp_path, roles={"part": "part"}))
        assert parts_of(data) == [[*range(0, 100, 2)], [*range(1, 100, 2)], []]

    def test_folds_keep_groups_together_within_its_parts(self, tmp_path: Path) -> None:
        frame = table().assign(part=["train"] * 80 + ["test"] * 20)
        data = load_data(spec_of(frame, tmp_path, roles={"part": "part", "group": "patient"}))
        cut = folds(data, 3, 0)
        assert sorted(row for fold in cut for row in numbers(fold.validation)) == [*range(80)]
        for fold in cut:
            sides = (values(frame, "patient", numbers(p)) for p in (fold.train, fold.validation))
            assert not next(sides) & next(sides)

    @pytest.mark.parametrize(
        ("words", "problem"),
        [
            (["train", "later"], "'later' in 50 rows is no part: expected train, validation and test"),
            (["train", None], "its value is missing in 50 of 100 rows"),
            (["val", "test"], "no row is in the part train"),
            ([0, 1], "0 in 100 rows is no part"),
        ],
    )
    def test_what_is_no_part_is_named(self, words: list[Any], problem: str, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=f"part-column: {problem}"):
            load_data(spec_of(table().assign(part=words * 50), tmp_path, roles={"part": "part"}))


class TestSplitters:
    @pytest.mark.parametrize("splitter", [KFold(4), StratifiedKFold(4, shuffle=True), ShuffleSplit(3)])
    def test_the_last_split_is_the_test_part_and_the_rest_is_split_again(
        self, splitter: Any, tmp_path: Path
    ) -> None:
        data = load_data(spec_of(table(), tmp_path, splitter))
        train, validation, test = parts_of(data)
        assert sorted(train + test) == [*range(100)]
        assert not validation
        count = splitter.get_n_splits()
        cut = folds(data, count, 0)
        assert len(cut) == count
        for fold in cut:
            assert not set(numbers(fold.train)) & set(numbers(fold.validation))
            assert set(numbers(fold.train) + numbers(fold.validation)) <= set(train)
            assert numbers(fold.test) == test

    def test_a_time_series_keeps_its_order_and_its_gap(self, tmp_path: Path) -> None:
        data = load_data(spec_of(table(), tmp_path, TimeSeriesSplit(4, gap=3)))
        train, _, test = parts_of(data)
        assert (train, test) == ([*range(77)], [*range(80, 100)])
        for fold, (past, future) in zip(
            folds(data, 4, 0), TimeSeriesSplit(4, gap=3).split(np.empty(77)), strict=True
        ):
            assert (numbers(fold.train), numbers(fold.validation)) == ([*past], [*future])

    def test_it_gets_rows_in_the_order_of_time(self, tmp_path: Path) -> None:
        frame = table().assign(day=np.arange(100)[::-1])
        data = load_data(spec_of(frame, tmp_path, TimeSeriesSplit(4), roles={"time": "day"}))
        assert set(parts_of(data)[2]) == set(range(20))
        assert max(numbers(folds(data, 4, 0)[0].validation)) < min(numbers(folds(data, 4, 0)[0].train))

    @pytest.mark.parametrize("splitter", [GroupKFold(4), LeaveOneGroupOut()])
    def test_it_gets_the_groups(self, splitter: Any, tmp_path: Path) -> None:
        frame = table()
        spec = spec_of(frame, tmp_path, splitter, roles={"group": "patient"})
        data = load_data(spec)
        tested = values(frame, "patient", numbers(data.test))
        for fold in folds(data, len(data.cuts), 0):
            sides = [values(frame, "patient", numbers(p)) for p in (fold.train, fold.validation)]
            assert not sides[0] & sides[1] | (sides[0] | sides[1]) & tested

    @pytest.mark.parametrize("form", [list, iter, lambda pairs: (pair for pair in pairs)])
    def test_pairs_name_the_rows_themselves(self, form: Any, tmp_path: Path) -> None:
        pairs: list[Any] = [([*range(12)], [40, 50]), (np.arange(50), np.arange(50, 100))]
        data = load_data(spec_of(table(), tmp_path, form(pairs)))
        assert parts_of(data) == [[*range(100)], [], []]
        cut = folds(data, 2, 0)
        assert [(numbers(f.train), numbers(f.validation)) for f in cut] == [([*a], [*b]) for a, b in pairs]

    def test_one_pair_is_the_training_and_the_validation_part(self, tmp_path: Path) -> None:
        held_out = np.repeat([-1, 0], [70, 30])
        data = load_data(spec_of(table(), tmp_path, PredefinedSplit(held_out)))
        assert parts_of(data) == [[*range(70)], [*range(70, 100)], []]

    def test_a_test_part_that_the_data_bring_stays(self, tmp_path: Path) -> None:
        frame = table()[["row", TARGET]]
        pairs = [(frame[["row"]][a:b], frame[TARGET][a:b]) for a, b in ((0, 80), (80, 100))]
        data = load_data(spec_of(tuple(pairs), tmp_path, KFold(4), target=None))
        assert parts_of(data) == [[*range(80)], [], [*range(80, 100)]]

    def test_a_fraction_keeps_to_the_folds(self, tmp_path: Path) -> None:
        whole_, some = (load_data(spec_of(table(), tmp_path, KFold(4), fraction=f)) for f in (1.0, 0.5))
        assert parts_of(some)[2] == parts_of(whole_)[2]
        for ours, theirs in zip(folds(some, 4, 0), folds(whole_, 4, 0), strict=True):
            assert set(numbers(ours.train)) <= set(numbers(theirs.train))
            assert set(numbers(ours.validation)) <= set(numbers(theirs.validation))
            assert len(ours.train) + len(ours.validation) == len(some.train)

    def test_what_a_random_splitter_draws_is_drawn_once(self, tmp_path: Path) -> None:
        specs = [spec_of(table(), tmp_path, KFold(4, shuffle=True), seed=s) for s in (1, 1, 2)]
        assert specs[0].splits == specs[1].splits != specs[2].splits

    @pytest.mark.parametrize(
        ("splitter", "roles", "problem"),
        [
            (GroupKFold(3), {}, "GroupKFold cannot split 100 rows: .*groups.*; give group_column"),
            (KFold(101), {}, "KFold cannot split 100 rows: Cannot have number of splits"),
            (KFold(4), {"group": "patient"}, "KFold trains on a group that it holds out: take GroupKFold"),
            (KFold(4), {"time": "day"}, "KFold trains on later rows than it holds out: take TimeSeriesSplit"),
            ([], {}, "there are no splits: expected a whole number, a splitter such as GroupKFold"),
            ([([0, 1], [1, 2])], {}, "split 1 trains on 1 row that it validates on"),
            ([([0, 1], [])], {}, "split 1 has no rows to validate on"),
            ([([], [1])], {}, "split 1 has no rows to train on"),
            ([([0], [100])], {}, "position 100 of 100 rows: expected"),
            ([([0], [-1])], {}, "position -1 of 100 rows: expected"),
            ([([0.5], [1])], {}, "float64 of shape .* are no positions of rows"),
            ([1, 2], {}, ".*int.*: expected a whole number, a splitter"),
        ],
    )
    def test_what_is_no_split_is_named(
        self, splitter: Any, roles: dict[str, str], problem: str, tmp_path: Path
    ) -> None:
        with pytest.raises(DataError, match=f"folds: {problem}"):
            spec_of(table(), tmp_path, splitter, roles=roles)

    def test_other_data_than_it_was_made_for_are_refused(self, tmp_path: Path) -> None:
        splits = spec_of(table(), tmp_path, KFold(4)).splits
        with pytest.raises(DataError, match="folds: they were made for 100 rows, and the data have 90"):
            load_data(spec_of(table(90), tmp_path, splits=splits))


def test_two_rules_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="group-column and time-column are two rules"):
        load_data(spec_of(table(), tmp_path, roles={"group": "patient", "time": "day"}))


def test_a_group_column_needs_groups(tmp_path: Path) -> None:
    for groups, problem in (("a", "there is only one group, 'a'"), (None, "missing in 100 of 100 rows")):
        with pytest.raises(DataError, match=f"group-column: .*{problem}"):
            load_data(spec_of(table().assign(patient=groups), tmp_path, roles={"group": "patient"}))


def test_a_column_has_one_use(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="target and time-column are both 'day': a column has one use"):
        spec_of(table(), tmp_path, target="day", roles={"time": "day"})
