import io
import json

import pandas as pd
import pytest
from plans import make_info

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.report.formats import FORMATS, formatted
from mlflow_hpo.report.ranking import rank
from mlflow_hpo.trial import State, Trial

SETTINGS = make_info({})
TRIALS = [
    Trial(0, "a", State.FINISHED, {"units": 64, "rate": 0.001}, {"loss": {10: -0.90}}, 2.0),
    Trial(1, "b", State.FINISHED, {"units": 32, "rate": 0.01, "momentum": 0.5}, {"loss": {10: -0.95}}, 3.0),
    Trial(2, "c", State.FAILED, {"units": 128, "rate": 9.0}, reason="loss became nan at epoch 3"),
    Trial(3, "d", State.RUNNING, {"units": 16, "rate": 0.1}),
    Trial(
        4,
        "e",
        State.STOPPED,
        {"units": 64, "rate": 0.1},
        {"loss": {3: -0.95}},
        1.0,
        "at epoch 3 of 10",
    ),
]


def test_the_best_comes_first_and_an_earlier_one_before_its_equal() -> None:
    frame = rank(SETTINGS, TRIALS)
    assert list(frame["trial"]) == [1, 4, 0, 2, 3]
    assert list(frame["rank"].dropna()) == [1, 2, 3]
    assert frame["rank"].isna().sum() == 2


def test_the_gain_is_over_the_baseline() -> None:
    gains = rank(SETTINGS, TRIALS).set_index("trial")["gain"]
    assert gains[1] == pytest.approx(0.05)
    assert gains[0] == 0


def test_a_gain_is_positive_where_less_is_better() -> None:
    info = make_info({"metric": "val_loss"})
    trials = [
        Trial(0, "a", State.FINISHED, {}, {"loss": {1: 0.9}}),
        Trial(1, "b", State.FINISHED, {}, {"loss": {1: 0.4}}),
    ]
    frame = rank(info, trials)
    assert list(frame["trial"]) == [1, 0]
    assert frame["gain"][0] == pytest.approx(0.5)
    assert list(frame["val_loss"]) == [0.4, 0.9]


def test_without_a_baseline_there_is_no_gain() -> None:
    assert rank(SETTINGS, TRIALS[1:])["gain"].isna().all()


def test_the_columns() -> None:
    columns = [
        "rank",
        "trial",
        "val_accuracy",
        "gain",
        "epochs",
        "seconds",
        "status",
        "units",
        "rate",
        "momentum",
    ]
    assert list(rank(SETTINGS, TRIALS).columns) == [*columns, "run_id"]


def test_only_the_top() -> None:
    assert list(rank(SETTINGS, TRIALS, top=2)["trial"]) == [1, 4]


def test_csv_and_json_read_back() -> None:
    frame = rank(SETTINGS, TRIALS)
    read = pd.read_csv(io.StringIO(formatted(frame, "csv")))
    assert list(read["trial"]) == [1, 4, 0, 2, 3]
    assert list(read["units"]) == [32, 64, 64, 128, 16]
    records = json.loads(formatted(frame, "json"))
    assert records[0] == {
        "rank": 1, "trial": 1, "val_accuracy": 0.95, "gain": pytest.approx(0.05), "epochs": 10,
        "seconds": 3.0, "status": "finished", "units": 32, "rate": 0.01, "momentum": 0.5, "run_id": "b",
    }  # fmt: skip
    assert records[3]["status"] == "failed: loss became nan at epoch 3"


def test_a_table_shows_stopped_failed_and_unfinished_trials_apart() -> None:
    text = formatted(rank(SETTINGS, TRIALS), "table")
    ranked, stopped, running, failed = text.split("\n\n")
    assert [line.split()[:2] for line in ranked.splitlines()[1:]] == [["1", "1"], ["3", "0"]]
    assert stopped.startswith("stopped before their last epoch:")
    assert stopped.splitlines()[2].split()[:2] == ["2", "4"]  # it has its rank among all
    assert running.startswith("not finished:")
    assert failed.startswith("failed:")
    assert "failed: loss became nan at epoch 3" in failed


def test_of_those_shown_apart_as_many_are_shown_and_the_rest_is_counted() -> None:
    trials = [Trial(n, str(n), State.FAILED, {}, reason="why") for n in range(5)]
    lines = formatted(rank(SETTINGS, trials), "table", 2).splitlines()
    assert lines[-1] == "and 3 more"
    assert sum("why" in line for line in lines) == 2


def test_markdown_is_a_table_of_markdown() -> None:
    trials = [Trial(0, "a", State.FINISHED, {"word": "a|b"}, {"loss": {1: -0.5}})]
    lines = formatted(rank(SETTINGS, trials), "markdown").splitlines()
    assert lines[1] == "| --- | --- | --- | --- | --- | --- | --- | --- |"
    assert lines[2].endswith("| a\\|b |")


@pytest.mark.parametrize("style", FORMATS)
def test_a_study_without_trials_is_an_empty_ranking(style: str) -> None:
    assert isinstance(formatted(rank(SETTINGS, []), style), str)


def test_an_unknown_format_names_the_known_ones() -> None:
    with pytest.raises(ConfigError, match="unknown format 'xml': known are csv, json, markdown, table"):
        formatted(rank(SETTINGS, []), "xml")
