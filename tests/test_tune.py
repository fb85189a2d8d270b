"""`mlflow_hpo.tune`: a study from Python, with whatever the user has at hand."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import printed, run_command
from hyperopt import hp
from scipy.stats import loguniform
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier

import mlflow_hpo
from mlflow_hpo.errors import ConfigError, HpoError, SetupError, StudyError

FOREST, DEPTHS = RandomForestClassifier(), {"max_depth": [1, 2]}
SPACE = {"x": {"type": "float", "low": -5.0, "high": 5.0}}


@pytest.fixture(autouse=True)
def store(tmp_path: Path, new_store: Callable[[Path], str]) -> Iterator[str]:
    uri, before = new_store(tmp_path), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)  # as a user would; another test may have named another store
    yield uri
    mlflow.set_tracking_uri(before)


def tune(model: Any, *args: Any, **settings: Any) -> Any:
    return mlflow_hpo.tune(model, *args, progress=False, **{"max_trials": 3, "workers": 1, **settings})


def square(config: dict[str, float]) -> float:
    return config["x"] ** 2


def test_a_function_and_a_dict_are_enough() -> None:
    study = tune(square, SPACE)
    assert len(study.trials) == 3
    assert study.best_value == study.best_config["x"] ** 2 == min(t.loss for t in study.trials)
    frame = study.trials_dataframe()
    assert list(frame["rank"]) == [1, 2, 3]
    assert frame["loss"].is_monotonic_increasing
    run = mlflow.get_run(study.run_id)
    assert run.data.params["model"] == "square"
    with pytest.raises(StudyError, match="logged no model"):
        study.best_model()


def test_an_expression_of_hyperopts_gives_the_function_what_fmin_would() -> None:
    space = {
        "kind": hp.choice(
            "kind",
            [
                {"type": "svm", "C": hp.loguniform("C", -3, 3)},
                {"type": "forest", "depth": hp.randint("depth", 3)},
            ],
        )
    }

    def objective(params: Any) -> dict[str, Any]:
        kind = params["kind"]
        loss = kind["C"] if kind["type"] == "svm" else 10.0 + kind["depth"]
        return {"loss": loss, "status": "ok"}

    study = tune(objective, space, max_trials=6)
    for trial in study.trials:
        config = trial.config
        assert trial.loss == (config["C"] if config["kind"] == "svm" else 10.0 + config["depth"])


def test_an_estimator_on_arrays_is_cross_validated_trained_on_all_and_registered() -> None:
    x, y = load_iris(return_X_y=True)
    space = {"max_depth": [1, 2, None], "min_samples_leaf": range(1, 5), "ccp_alpha": loguniform(1e-4, 1e-1)}
    study = tune(RandomForestClassifier(n_estimators=5), space, (x, y), folds=3)
    model = study.best_model()
    assert isinstance(model, RandomForestClassifier)
    assert model.max_depth == study.best_config["max_depth"]
    client = mlflow.MlflowClient()
    metrics = client.get_run(study.best_trial.run_id).data.metrics
    folds = [metrics[f"fold_{i}/val_accuracy"] for i in (1, 2, 3)]
    assert metrics["val_accuracy"] == pytest.approx(np.mean(folds)) == study.best_value
    found = study.register("iris")
    version = client.get_model_version_by_alias("iris", "champion")
    assert str(version.version) == found.version
    final = client.get_run(str(version.run_id))
    assert final.info.run_name == "final"
    assert final.data.metrics["test_accuracy"] == found.scores["test_accuracy"]


def test_a_frame_with_a_target_is_served_as_raw_rows() -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 200), "job": rng.choice(["cook", "pilot"], 200)})
    frame.loc[::9, "age"] = None
    frame["rich"] = np.where(frame.job == "pilot", "yes", "no")
    study = tune(RandomForestClassifier(), {"max_depth": [2, 3]}, frame, target="rich", max_trials=2)
    assert study.best_value == 1.0
    served = mlflow.pyfunc.load_model(study.best_trial.model_uri)
    assert list(served.predict(frame.drop(columns="rich").head(3))) == list(frame.rich.head(3))


def test_a_whole_grid_counts_the_baseline_once(store: str) -> None:
    def objective(x: int = 1, y: int = 5) -> float:
        return x + y

    on_it = tune(objective, {"x": [1, 2, 3], "y": [5, 6]}, algorithm="grid", max_trials="all")
    beside = tune(objective, {"x": [2, 3], "y": [5, 6]}, algorithm="grid", max_trials="all")
    assert (len(on_it.trials), len(beside.trials)) == (6, 5)


def test_what_a_users_code_logs_itself_lands_on_its_trial() -> None:
    def objective(config: Any) -> float:
        mlflow.log_metric("own", config["x"])
        mlflow.log_text("hello", "note.txt")
        return float(config["x"])

    study = tune(objective, SPACE, max_trials=2)
    client = mlflow.MlflowClient()
    for trial in study.trials:
        run = client.get_run(trial.run_id)
        assert run.data.metrics["own"] == trial.config["x"]
        assert run.info.status == "FINISHED"
        assert "note.txt" in [a.path for a in client.list_artifacts(trial.run_id)]
    assert len(client.search_runs(["0"])) == 3


def test_a_study_goes_on_where_it_is_given_the_same_again() -> None:
    first = tune(square, SPACE, max_trials=2, seed=5)
    second = tune(square, SPACE, max_trials=4, seed=5, resume=first.run_id)
    whole = tune(square, SPACE, max_trials=4, seed=5)
    assert second.run_id == first.run_id
    assert [t.config for t in second.trials] == [t.config for t in whole.trials]
    with pytest.raises(StudyError, match="began with another space than the one given now"):
        tune(square, {"x": {"type": "float", "low": -9.0, "high": 9.0}}, resume=first.run_id, max_trials=5)
    assert mlflow.get_run(first.run_id).info.status == "FINISHED"


def test_a_resume_without_its_algorithm_leaves_the_study_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text("from hyperopt.rand import suggest\n")
    monkeypatch.chdir(tmp_path / "own")
    study = tune(square, SPACE, max_trials=2, algorithm="mine.py:suggest")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"mine\.py"):
        tune(square, SPACE, max_trials=4, resume=study.run_id)
    assert mlflow.get_run(study.run_id).info.status == "FINISHED"


SCRIPT = """
import mlflow_hpo
def objective(trial):
    for epoch in range(trial.start + 1, trial.epochs + 1):
        if not trial.report(epoch, {"loss": abs(trial.config["x"]) / epoch}):
            break
print("begins")
study = mlflow_hpo.tune(
    objective, {"x": [1.0, 2.0, 3.0]}, max_trials=3, workers=2, scheduler="asha", max_epochs=9
)
print(study.best_config)
"""


def test_a_script_needs_no_guard(store: str, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    done = run_command([sys.executable, "script.py"], store, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("begins") == 1
    assert done.stdout.strip().endswith("{'x': 1.0}")


def test_a_metric_that_training_never_reports_ends_the_study_before_a_second_trial(store: str) -> None:
    def objective(trial: Any) -> None:
        trial.report(1, {"f1": 0.5})

    with pytest.raises(SetupError, match="training reported no metric 'loss': it reported f1"):
        tune(objective, SPACE, workers=2)
    runs = mlflow.MlflowClient(store).search_runs(["0"])
    assert [r.info.status for r in runs] == ["FAILED", "FAILED"]  # the trial and its study


@pytest.mark.parametrize(
    ("model", "args", "settings", "error", "message"),
    [
        (square, (), {}, ConfigError, "space: model 'square' brings none"),
        (square, (SPACE,), {"scheduler": "asha"}, ConfigError, "scheduler: 'asha' is for models that train"),
        (square, (SPACE,), {"colour": 1}, ConfigError, "unknown setting 'colour'"),
        (FOREST, ({"depth": [1, 2]}, "digits"), {}, ConfigError, "takes no 'depth': it takes"),
        (FOREST, (DEPTHS,), {}, ConfigError, "data: model .* is trained on data"),
        (
            FOREST,
            (DEPTHS, "digits"),
            {"metric": "val_f2"},
            HpoError,
            "unknown metric 'val_f2': known are",
        ),
        (
            FOREST,
            (DEPTHS, "digits"),
            {"metric": "f1_macro"},
            HpoError,
            "metric 'f1_macro' is measured on the training rows: give val_f1_macro",
        ),
        (FOREST, (DEPTHS, "digits"), {"resource": "trees"}, HpoError, "no param 'trees'"),
        (3, (SPACE,), {}, ConfigError, "is of type int: expected a KerasTuner hypermodel"),
    ],
    ids=lambda x: printed(x)[:25],
)
def test_what_is_wrong_starts_nothing(
    store: str, model: Any, args: Any, settings: Any, error: Any, message: str
) -> None:
    with pytest.raises(error, match=message):
        tune(model, *args, **settings)
    assert not mlflow.MlflowClient(store).search_runs(["0"])


def test_without_progress_nothing_is_said_and_the_studys_own_alias_is_taken(
    capfd: pytest.CaptureFixture[str],
) -> None:
    x, y = load_iris(return_X_y=True)
    study = tune(FOREST, DEPTHS, (x, y), register="iris", alias="shadow", max_trials=2, top_k=1)
    assert not capfd.readouterr().out
    client = mlflow.MlflowClient()
    assert str(client.get_model_version_by_alias("iris", "shadow").version) == "1"
    study.register("lily")
    assert str(client.get_model_version_by_alias("lily", "shadow").version) == "1"


def test_what_a_study_from_python_says_goes_on_from_there(capfd: pytest.CaptureFixture[str]) -> None:
    x, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(x, columns=list("abcd")).assign(kind=y)
    mlflow_hpo.tune(FOREST, DEPTHS, frame, target="kind", max_trials=2, workers=1)
    [line] = [line for line in capfd.readouterr().out.splitlines() if "register=" in line]
    run_id = line.split("resume='")[1].split("'")[0]
    again = f"mlflow_hpo.tune(model, space, data, resume='{run_id}', "
    assert line.strip() == f"{again}target_column='kind', register='NAME')"
    mlflow_hpo.tune(FOREST, DEPTHS, frame, target="kind", resume=run_id, register="NAME", progress=False)
    assert mlflow.MlflowClient().get_model_version_by_alias("NAME", "champion")


def test_how_many_epochs_a_plain_function_trains_is_its_own_affair() -> None:
    def objective(rate: float = 0.1, epochs: int = 5) -> float:
        return rate / epochs

    study = tune(objective, {"epochs": [5, 10], "rate": [0.1, 0.2]}, algorithm="grid", max_trials="all")
    assert study.best_config == {"epochs": 10, "rate": 0.1}


def test_a_builder_of_any_name_trains_for_the_epochs_of_the_space() -> None:
    def build(**given: Any) -> Any:
        import keras

        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
        model.compile(given.get("optimizer", "sgd"), "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    study = tune(build, {"epochs": [11, 12], "optimizer": ["adam"]}, "digits", algorithm="grid")
    assert sorted(t.epochs for t in study.trials)[-2:] == [11, 12]
