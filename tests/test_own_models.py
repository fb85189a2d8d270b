"""The model that an objective logs by MLflow itself is the trial's, and is kept or deleted as others are."""

from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from sklearn.linear_model import LinearRegression, Ridge

from mlflow_hpo import tune
from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import Connection, fluent_run
from mlflow_hpo.store.models import ready_models

X, Y = [[0.0], [1.0]], [0.0, 1.0]
SPACE = {"alpha": [1.0, 2.0]}
QUICK: dict[str, Any] = {"max_trials": 2, "workers": 0, "progress": False}


@pytest.fixture(autouse=True)
def store(own_uri: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own_uri)
    mlflow.set_tracking_uri(own_uri)
    return own_uri


def log(alpha: float, name: str = "model") -> str:
    """Logs a model with a coefficient that tells its alpha; returns its URI."""
    model = Ridge(alpha).fit(X, Y)
    model.coef_[:] = alpha
    info = mlflow.sklearn.log_model(model, name=name, pip_requirements=["scikit-learn"])
    return str(info.model_uri)


def below(config: dict[str, Any]) -> float:
    with mlflow.start_run(nested=True), mlflow.start_run(nested=True):
        log(config["alpha"])
    return float(config["alpha"])


def autologged(config: dict[str, Any]) -> float:
    mlflow.sklearn.autolog(silent=True)
    try:
        Ridge(config["alpha"]).fit(X, Y)
    finally:
        mlflow.sklearn.autolog(disable=True)
    return float(config["alpha"])


@pytest.mark.parametrize("objective", [below, autologged])
def test_what_the_objective_logs_is_the_trials_model_and_is_registered(
    objective: Callable[[dict[str, Any]], float],
) -> None:
    study = tune(objective, SPACE, top_k=1, **QUICK)  # to train them again would take as long
    model = study.best_model()
    assert isinstance(model, Ridge)
    assert model.alpha == 1 or model.coef_[0] == 1
    assert study.register("own", force=True, alias="champion") is not None
    version = mlflow.MlflowClient().get_model_version_by_alias("own", "champion")
    assert version.source == study.best_trial.model_uri


def test_the_newest_counts_but_first_one_on_the_trials_own_run(store: str) -> None:
    connection = Connection(store)
    run_id = connection.client.create_run("0").info.run_id
    with fluent_run(connection, run_id):
        assert ready_models(connection, "0", run_id) == {}
        with mlflow.start_run(nested=True):
            first, second = log(1), log(2)
        assert [*ready_models(connection, "0", run_id)] == [first, second]
        own = log(3)
        with mlflow.start_run(nested=True):
            third = log(4)
            with pytest.raises(Exception, match="untrusted types"):
                mlflow.sklearn.log_model(object(), name="none", pip_requirements=["scikit-learn"])
    log(5)  # outside of the trial
    assert [*ready_models(connection, "0", run_id)] == [first, second, third, own]


def test_of_several_trainings_the_first_ones_model_is_the_trials() -> None:
    trainings: list[int] = []

    def objective(config: dict[str, Any]) -> float:
        trainings.append(len(trainings))
        log(trainings[-1])
        return float(config["alpha"])

    study = tune(objective, {"alpha": [1.0]}, repeats=3, **QUICK | {"max_trials": 1})
    assert study.best_model().coef_[0] == 0
    assert len(list(Connection().models("0", ""))) == 3


def test_a_later_unit_that_logs_none_keeps_the_model_and_one_that_logs_supersedes_it() -> None:
    def objective(trial: Any) -> None:
        for epoch in range(trial.start + 1, trial.epochs + 1):
            trial.report(epoch, {"loss": trial.config["alpha"]})
        if trial.epochs in (1, 4):
            with mlflow.start_run(nested=True):
                log(0, "scaler")
            log(trial.epochs)

    options = {"scheduler": "halving", "max_epochs": 4, "eta": 2, "keep_models": "best", "metric": "loss"}
    study = tune(objective, SPACE, **QUICK | options)
    assert study.best_model().coef_[0] == 4
    kept = sorted(model.name for model in Connection().models("0", ""))
    assert kept == [
        "model",
        "scaler",
        "scaler",
    ]  # what else the best trial logged is not an older model of it


def each_epoch(trial: Any, epoch: int) -> None:
    trial.report(epoch, {"loss": abs(epoch - 2)})
    log(epoch)


def before_it_reports(trial: Any, epoch: int) -> None:
    log(epoch)
    trial.report(epoch, {"loss": abs(epoch - 2)})


def with_steps(trial: Any, epoch: int) -> None:
    trial.report(epoch, {"loss": abs(epoch - 2)})
    if epoch % 2 == 0:
        model = Ridge().fit(X, Y)
        model.coef_[:] = epoch
        how: dict[str, Any] = {"name": "model", "pip_requirements": ["scikit-learn"], "step": epoch}
        mlflow.sklearn.log_model(model, **how)


def by_the_trial(trial: Any, epoch: int) -> None:
    trial.report(epoch, {"loss": abs(epoch - 2)})
    model = Ridge().fit(X, Y)
    model.coef_[:] = epoch
    trial.log_model("sklearn", model, pip_requirements=["scikit-learn"])


@pytest.mark.parametrize(
    ("log_epoch", "scheduler"),
    [
        *((way, "none") for way in (each_epoch, before_it_reports, with_steps)),
        *((way, "halving") for way in (each_epoch, by_the_trial)),
    ],
)
def test_where_the_best_epoch_counts_so_does_its_model(
    log_epoch: Callable[[Any, int], None], scheduler: str
) -> None:
    def objective(trial: Any) -> None:
        for epoch in range(trial.start + 1, trial.epochs + 1):
            log_epoch(trial, epoch)

    options = {"scheduler": scheduler, "max_epochs": 4, "eta": 2, "min_epochs": 2, "at": "best"}
    study = tune(objective, {"x": [1]}, metric="loss", **QUICK | options)
    assert (study.best_value, study.best_trial.epochs, study.best_trial.best_epoch) == (0, 4, 2)
    assert study.best_model().coef_[0] == 2


def test_what_is_not_kept_is_deleted_below_the_trial_too_unless_it_is_registered() -> None:
    def objective(config: dict[str, Any]) -> float:
        with mlflow.start_run(nested=True):
            uri = log(config["alpha"])
            if config["alpha"] == 4:
                mlflow.register_model(uri, "theirs")
        return float(config["alpha"])

    space = {"alpha": [4.0, 3.0, 2.0, 1.0]}
    study = tune(objective, space, keep_models="best", algorithm="grid", **QUICK | {"max_trials": 4})
    assert study.best_model().coef_[0] == 1
    left = {model.model_id for model in Connection().models("0", "")}
    registered = mlflow.MlflowClient().search_model_versions("name = 'theirs'")[0].source
    assert {f"models:/{model}" for model in left} >= {study.best_trial.model_uri, registered}
    assert len(left) == 2


def test_without_any_model_the_error_says_how_to_log_one() -> None:
    study = tune(lambda config: float(LinearRegression().fit(X, Y).coef_[0]), SPACE, **QUICK)
    with pytest.raises(
        StudyError, match=r"trial \d, the best, logged no model: trial.log_model or MLflow logs one"
    ):
        study.best_model()
