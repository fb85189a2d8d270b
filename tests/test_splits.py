"""Splits by group, time and splitters in whole studies: values, resume, final training, gate, ways in."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import hpo, one_line_error
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, TimeSeriesSplit, cross_val_score

import mlflow_hpo
from mlflow_hpo.errors import ConfigError, DataError, StudyError
from mlflow_hpo.store import Connection, find_study

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(120, 3)).astype(np.float32)
Y = (X[:, 0] + RANDOM.normal(size=120) > 0).astype(int)
GROUPS = np.arange(120) % 11
SPACE = {"C": [0.1, 1.0]}


pytestmark = pytest.mark.usefixtures("store")


def tuned(data: Any = (X, Y), **settings: Any) -> Any:
    given = {"max_trials": 2, "workers": 0, "top_k": 1, **settings}
    return mlflow_hpo.tune(LogisticRegression(), SPACE, data, progress=False, **given)


def frame() -> pd.DataFrame:
    return pd.DataFrame(X, columns=[*"abc"]).assign(y=Y, shop=GROUPS, day=np.arange(120)[::-1])


def test_the_value_is_that_of_cross_val_score() -> None:
    pairs = GroupKFold(4).split(X, Y, GROUPS)
    study = tuned(folds=pairs, group_column=GROUPS)
    expected = {
        c: cross_val_score(LogisticRegression(C=c), X, Y, groups=GROUPS, cv=GroupKFold(4)).mean()
        for c in SPACE["C"]
    }
    assert {t.config["C"]: study._info.value(t) for t in study.trials} == pytest.approx(expected)
    assert mlflow.get_run(study.run_id).data.params["folds"] == "4"


def test_a_resume_has_the_same_folds_and_no_others(store: str) -> None:
    study = tuned(folds=KFold(4, shuffle=True), data_seed=3)
    again = tuned(folds=KFold(4, shuffle=True), resume=study.run_id, max_trials=3)
    assert (again.run_id, len(again.trials)) == (study.run_id, 3)
    with pytest.raises(StudyError, match="began with other folds than those given now"):
        tuned(folds=KFold(4, shuffle=True, random_state=8), resume=study.run_id)


def test_a_command_goes_on_with_the_folds_that_python_gave(store: str, tmp_path: Path) -> None:
    file = tmp_path / "shops.csv"
    frame().to_csv(file, index=False)
    (tmp_path / "own.py").write_text("from sklearn.linear_model import LogisticRegression as Own\n")
    study = mlflow_hpo.tune(
        f"{tmp_path / 'own.py'}:Own", SPACE, str(file), target="y", folds=GroupKFold(3), group_column="shop",
        max_trials=1, workers=0, progress=False,
    )  # fmt: skip
    done = hpo(store, "resume", study.run_id, "--max-trials", "2", "--workers", "0")
    assert done.returncode == 0, done.stderr
    done = hpo(store, "report", study.run_id, "--register", "shops")
    assert "registered trial" in done.stdout, done.stdout + done.stderr
    version = mlflow.MlflowClient().get_model_version_by_alias("shops", "champion")
    tested = mlflow.get_run(str(version.run_id)).data
    assert "test_accuracy" in tested.metrics
    assert len(find_study(Connection(), study.run_id).trials.load()) == 2


def test_the_command_line_and_mlflow_run_split_by_a_column(store: str, tmp_path: Path) -> None:
    file, model = tmp_path / "days.csv", tmp_path / "own.py"
    frame().to_csv(file, index=False)
    model.write_text("from sklearn.linear_model import LogisticRegression as Own\n")
    (tmp_path / "space.yaml").write_text("C: [0.1, 1.0]\n")
    options = ["--model", f"{model}:Own", "--space", str(tmp_path / "space.yaml"), "--data", str(file)]
    options += ["--target", "y", "--max-trials", "1", "--workers", "0"]
    done = hpo(store, "search", *options, "--time-column", "day", "--folds", "3")
    assert done.returncode == 0, done.stderr
    trial = mlflow.search_runs(search_all_experiments=True, filter_string="params.C = '1.0'").iloc[0]
    assert {f"metrics.fold_{n}/val_accuracy" for n in (1, 2, 3)} <= set(trial.index)
    assert "time-column 'dya' is no column of data" in one_line_error(
        hpo(store, "search", *options, "--time-column", "dya")
    )
    assert "time_column" in (Path(mlflow_hpo.__file__).parents[1] / "MLproject").read_text()


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"folds": KFold}, "folds: KFold is a class: give KFold"),
        ({"folds": object()}, "folds: must be a whole number, not <object"),
        ({"folds": KFold(3), "data": None}, "folds: KFold splits data: name a data set"),
        ({"folds": TimeSeriesSplit(3), "data": "digits", "target_column": "y"}, "only a table has columns"),
        ({"group_column": GROUPS[:5]}, "x has 120 rows and group-column has 5"),
        ({"group_column": GROUPS, "data": "digits"}, "group-column: values are for data from Python"),
        ({"part_column": ["train", "test"] * 60}, "part-column: no row is in the part validation"),
        ({"group_column": "shop"}, "group-column 'shop' of .*: only a DataFrame has columns"),
        ({"group_column": np.zeros(120)}, "group-column: there is only one group, 0.0"),
        ({"group_column": GROUPS, "data": ((X, Y), (X, Y), (X, Y))}, "group-column: its values are for data"),
    ],
)
def test_a_bad_value_is_one_line(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises((ConfigError, DataError), match=problem) as caught:
        tuned(**{"data": (X, Y), **settings})
    assert "\n" not in str(caught.value)


def test_a_project_has_no_folds() -> None:
    with pytest.raises(ConfigError, match="folds: KFold is not for projects, which load their own data"):
        mlflow_hpo.tune_project(".", {"a": [1, 2]}, "loss", folds=KFold(3))
