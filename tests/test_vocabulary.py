"""Names of other libraries are answered with ours, in one line, in Python and on the command line."""

from pathlib import Path

import pytest
from conftest import hpo, one_line_error

from mlflow_hpo.algorithms import ALGORITHMS, GRID, check_algorithm
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.schedulers import SCHEDULERS, check_scheduler
from mlflow_hpo.settings import OPTIONS, read_settings
from mlflow_hpo.vocabulary import names

SETTINGS = {
    "cv": "folds=5",
    "n_iter": "max_trials=20",
    "n_trials": "max_trials=20",
    "num_samples": "max_trials=20",
    "max_evals": "max_trials=20",
    "epochs": "max_epochs=10",
    "objective": "metric=val_accuracy",
    "scoring": "metric=val_f1_macro",
    "mode": "direction=maximize",
    "factor": "eta=3",
    "max_t": "max_epochs=10",
    "n_jobs": "workers=4",
    "estimator": "model, the first argument",
    "param_grid": "space, the second argument",
    "executions_per_trial": "repeats=3",
    "verbose": "progress=False",
    "project_name": "MLFLOW_EXPERIMENT_NAME",
    "storage": "MLFLOW_TRACKING_URI",
    "pruner": "scheduler=median",
    "sampler": "algorithm=tpe",
    "n_startup_trials": "nothing",
    "time_budget_s": "timeout=600",
    "refit": "final=true",
    "random_state": "seed=1",
    "tuner": "algorithm=tpe",
    "steps_per_epoch": "an epoch is as long as its stream",
    "max_trial": "did you mean max_trials",
}


@pytest.mark.parametrize(("name", "ours"), SETTINGS.items())
def test_a_setting_of_another_library_is_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({name: 3})
    line = str(caught.value)
    assert line.startswith(f"unknown setting {name!r}: ")
    assert ours in line
    assert "\n" not in line


def test_what_is_answered_exists() -> None:
    assert not set(names.SETTINGS) & set(OPTIONS)
    for ours in names.SETTINGS.values():
        given, equals, value = ours.partition(",")[0].partition(";")[0].partition("=")
        if equals and given.isidentifier() and given not in ("progress", "data"):
            read_settings({given: value})
    assert {*ALGORITHMS, GRID} <= set(names.ALGORITHMS)
    assert set(SCHEDULERS) <= set(names.SCHEDULERS)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("bayesian", "here that is gp"),
        ("BayesianOptimization", "here that is gp"),
        ("genetic", "here that is evolution"),
        ("bohb", "here that is tpe with scheduler hyperband"),
        ("TPESampler", "here that is tpe"),
        ("GridSearchCV", "here that is grid"),
        ("CMA-ES", "here that is cmaes"),
        ("hyperband", "it says how long trials train: give scheduler hyperband"),
        ("ASHA", "it says how long trials train: give scheduler asha"),
        ("gpt", "known are anneal"),
    ],
)
def test_an_algorithm_of_another_library_is_answered_with_ours(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown algorithm {name!r}: {hint}"):
        check_algorithm(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("tpe", "it proposes configs: give algorithm tpe"),
        ("MedianPruner", "here that is median"),
        ("SuccessiveHalvingPruner", "here that is halving"),
        ("AsyncHyperBand", "here that is asha"),
        ("fastest", "known are asha"),
    ],
)
def test_a_scheduler_of_another_library_is_answered_with_ours(name: str, hint: str) -> None:
    with pytest.raises(ConfigError, match=f"unknown scheduler {name!r}: {hint}"):
        check_scheduler(name)


@pytest.mark.parametrize(
    ("option", "ours"),
    [("--cv", "here that is --folds 5"), ("--n-jobs", "here that is --workers 4"), ("--trails", "mean --")],
)
def test_the_command_line_answers_with_options(option: str, ours: str) -> None:
    said = one_line_error(hpo("sqlite:///none.db", "search", option, "5"))
    assert said.startswith(f"Error: No such option '{option}': ")
    assert ours in said


def test_a_model_may_be_named_with_a_dot(tmp_path: Path) -> None:
    dotted = "sklearn.ensemble.RandomForestClassifier"
    assert read_settings({"model": dotted}).model == "sklearn.ensemble:RandomForestClassifier"
    for name in ("mlp", "a.py", "dir/a.py:NAME", "given:f", "a.b:C"):
        assert read_settings({"model": name}).model == name
