import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import printed
from plans import make_info, make_plan

from mlflow_hpo.errors import ConfigError
from mlflow_hpo.metric import Metric
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import read_settings
from mlflow_hpo.study.checks import check_asked

WRONG = [
    ({"model": "vgg"}, "unknown model 'vgg': known are cnn, mlp"),
    ({"data": "iris"}, "unknown data set 'iris': known are cifar10, cifar100, digits, fashion_mnist, mnist"),
    (
        {"algorithm": "gpt"},
        "unknown algorithm 'gpt': known are anneal, auto, cmaes, evolution, gp, grid, nsga2, optuna:NAME",
    ),
    (
        {"scheduler": "bohb"},
        "unknown scheduler 'bohb': here that is hyperband with algorithm tpe",
    ),
    ({"eta": "1"}, "eta: must be at least 2, not '1'"),
    (
        {"algorithm": "grid", "scheduler": "pbt"},
        "scheduler 'pbt' changes configs while they train, off the grid",
    ),
    ({"min_epochs": "11"}, "min-epochs: 11 is above max-epochs, 10"),
    ({"min_epochs": "0"}, "min-epochs: must be at least 1, not '0'"),
    ({"patience": "0"}, "patience: must be at least 1, not '0'"),
    ({"target": "high"}, "target: 'high' is no number to stop at, and digits has no columns"),
    ({"scheduler": "pbt", "max_trials": "5"}, "'pbt' needs max-trials of 11 at least for 10 generations"),
    ({"metric": "f7"}, "unknown metric 'f7': known are accuracy, loss, val_accuracy, val_loss"),
    ({"metric": "loss"}, "'loss' is measured on the training rows: give val_loss, or train:loss to insist"),
    ({"positive_class": "1"}, "positive-class: '1' is for two classes, and data 'digits' have more"),
    ({"task": "regression"}, "task: 'regression' does not fit data 'digits', which have classes"),
    ({"direction": "up"}, "direction: must be auto, minimize or maximize, not 'up'"),
    ({"max_trials": "-1"}, "max-trials: must be all or a whole number of at least 1, not '-1'"),
    ({"max_epochs": "0"}, "max-epochs: must be at least 1, not '0'"),
    ({"max_trials": "many"}, "max-trials: must be all or a whole number of at least 1, not 'many'"),
    ({"workers": "-1"}, "workers: must be auto or a whole number of at least 0, not '-1'"),
    (
        {"workers": "0", "trial_timeout": "9"},
        "trial-timeout: training in this process cannot be cut",
    ),
    ({"workers": "some"}, "workers: must be auto or a whole number of at least 0, not 'some'"),
    ({"timeout": "-3"}, "timeout: must be above 0, not '-3'"),
    ({"trial_timeout": "soon"}, "trial-timeout: must be a number, not 'soon'"),
    ({"timeout": "nan"}, "timeout: must be a finite number, not 'nan'"),
    ({"grid_points": "1"}, "grid-points: must be at least 2, not '1'"),
    ({"seed": "-1"}, "seed: must be at least 0, not '-1'"),
    ({"register": "a/b"}, "register: 'a/b' is no name for a model"),
    ({"alias": "latest"}, "alias: 'latest' is no alias: take letters, digits, - and _, but not latest or v1"),
    ({"alias": "v3"}, "alias: 'v3' is no alias"),
    ({"alias": "a b"}, "known are challenger, champion"),
    ({"colour": "red"}, "unknown setting 'colour': docs/settings.md lists"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=lambda x: str(x)[:40])
def test_what_is_wrong_is_named_in_one_line(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_plan(options)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_empty_strings_mean_the_default() -> None:
    settings = read_settings({"space": "", "timeout": "", "trial_timeout": "", "register": ""})
    assert (settings.space, settings.timeout, settings.trial_timeout, settings.register_as) == (None,) * 4


@pytest.mark.parametrize(
    ("metric", "direction", "maximize"),
    [
        ("val_accuracy", "auto", True),
        ("val_loss", "auto", False),
        ("val_loss", "maximize", True),
        ("val_accuracy", "minimize", False),
    ],
)
def test_the_direction(metric: str, direction: str, maximize: bool) -> None:
    wanted = make_info({"metric": metric, "direction": direction}).metric
    assert wanted == Metric(metric, maximize)
    assert wanted.value(wanted.loss(0.25)) == 0.25
    assert (wanted.loss(0.9) < wanted.loss(0.1)) is maximize


def test_settings_survive_the_store() -> None:
    settings = read_settings({"timeout": "12.5", "workers": "3", "register": "digits"})
    assert read_settings(settings.dump()) == settings


def test_what_follows_from_settings_survives_the_store() -> None:
    info = make_info({"max_epochs": "4", "metric": "val_loss"})
    assert StudyInfo.read(info.settings.dump(), json.loads(json.dumps(info.record()))) == info


def test_the_data_are_split_by_the_studys_seed_unless_they_have_their_own() -> None:
    assert read_settings({"seed": "3", "data_seed": ""}).split_seed == 3
    assert read_settings({"seed": "3", "data_seed": "0"}).split_seed == 0


def test_there_are_no_more_workers_than_trials() -> None:
    assert make_info({"workers": "8", "max_trials": "3"}).worker_count == 3
    assert make_info({"workers": "auto", "max_trials": "1"}).worker_count == 1


def test_the_first_rung_is_held_against_the_epochs_only_once_they_are_known(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text("def objective(trial): ...\n")
    own = {"model": f"{tmp_path}/own.py:objective", "min_epochs": 15}
    check_asked(read_settings(own), "", "")  # its space may say for how many epochs it trains
    for wrong, message in (
        ({"scheduler": "ash"}, "unknown scheduler 'ash'"),
        ({"max_epochs": 9}, "is above"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_asked(read_settings(own | wrong), "", "")


def test_a_column_that_is_given_again_is_no_value_to_stop_at(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n")
    known = {"data": str(tmp_path / "t.csv"), "target_column": "b"}
    assert read_settings({**known, "target": "b"}).target_column == "b"
    with pytest.raises(ConfigError, match="target: with a target-column it is the value to stop at, not 'a'"):
        read_settings({**known, "target": "a"})


@pytest.mark.parametrize(
    "value",
    [np.complex128(3), 3j, b"3", bytearray(b"3"), np.array([3, 3]), pd.NA, {3}, object()],
    ids=printed,
)
def test_what_is_no_number_is_refused_by_its_option(value: object) -> None:
    for name in ("max_trials", "timeout", "retries", "fraction", "workers", "patience"):
        with pytest.raises(ConfigError, match=rf"^{name.replace('_', '-')}: "):
            read_settings({name: value})


def test_an_array_of_one_number_is_a_number() -> None:
    given = {
        "max_trials": np.array(3),
        "timeout": np.float32(3),
        "retries": np.int64(3),
        "patience": np.array([3]),
    }
    assert read_settings(given) == read_settings(dict.fromkeys(given, 3))
