"""What other libraries show on their front pages runs as it stands, with the call that searches replaced."""

from typing import Any

import numpy as np
import pytest

import mlflow_hpo
from mlflow_hpo.store import Connection

SHORT: dict[str, Any] = {"progress": False, "workers": 1}


@pytest.fixture(autouse=True)
def store(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.uri)


def test_scikit_learn() -> None:
    from sklearn import datasets, svm

    iris = datasets.load_iris()
    parameters = {"kernel": ("linear", "rbf"), "C": [1, 10]}
    svc = svm.SVC()
    clf = mlflow_hpo.tune(
        svc, parameters, (iris.data, iris.target), algorithm="grid", folds=5, max_trials="all", **SHORT
    )
    found = sorted((trial.config["kernel"], trial.config["C"]) for trial in clf.trials)
    assert found == [("linear", 1), ("linear", 10), ("rbf", 1), ("rbf", 10)]
    assert clf.best_model().score(iris.data, iris.target) > 0.9


def test_keras_tuner() -> None:
    import keras

    def build_model(hp: Any) -> Any:
        model = keras.Sequential()
        model.add(keras.layers.Dense(hp.Choice("units", [8, 16, 32]), activation="relu"))
        model.add(keras.layers.Dense(1, activation="relu"))
        model.compile(loss="mse")
        return model

    x = np.random.default_rng(0).random((120, 4), np.float32)
    y = x.sum(axis=1)
    tuner = mlflow_hpo.tune(
        build_model,
        data=((x[:80], y[:80]), (x[80:], y[80:])),
        metric="val_loss",
        max_trials=2,
        max_epochs=2,
        **SHORT,
    )
    assert tuner.best_model().predict(x, verbose=0).shape == (120, 1)
    assert tuner.best_config["units"] in (8, 16, 32)


def test_optuna() -> None:
    import sklearn.datasets
    import sklearn.ensemble
    import sklearn.metrics
    import sklearn.model_selection
    import sklearn.svm

    def objective(trial: Any) -> float:
        regressor_name = trial.suggest_categorical("regressor", ["SVR", "RandomForest"])
        if regressor_name == "SVR":
            svr_c = trial.suggest_float("svr_c", 1e-10, 1e10, log=True)
            regressor_obj = sklearn.svm.SVR(C=svr_c)
        else:
            rf_max_depth = trial.suggest_int("rf_max_depth", 2, 32)
            regressor_obj = sklearn.ensemble.RandomForestRegressor(max_depth=rf_max_depth, n_estimators=10)
        x, y = sklearn.datasets.load_diabetes(return_X_y=True)
        x_train, x_val, y_train, y_val = sklearn.model_selection.train_test_split(x, y, random_state=0)
        regressor_obj.fit(x_train, y_train)
        y_pred = regressor_obj.predict(x_val)
        return float(sklearn.metrics.mean_squared_error(y_val, y_pred))

    study = mlflow_hpo.tune(objective, max_trials=8, **SHORT)
    assert {len(trial.config) for trial in study.trials} == {2}
    assert study.best_value < 5000


def test_hyperopt() -> None:
    from hyperopt import hp

    def objective(args: Any) -> float:
        case, val = args
        return float(val if case == "case 1" else val**2)

    space = hp.choice("a", [("case 1", 1 + hp.lognormal("c1", 0, 1)), ("case 2", hp.uniform("c2", -10, 10))])
    best = mlflow_hpo.tune(objective, space, max_trials=15, **SHORT)
    assert best.best_value < 1.5
    assert {trial.config["a"] for trial in best.trials} == {"case 1", "case 2"}
