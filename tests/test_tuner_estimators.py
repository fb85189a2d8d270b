"""A KerasTuner hypermodel may return an estimator, as its SklearnTuner takes it."""

from typing import Any

import pytest
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

import mlflow_hpo
from mlflow_hpo.objectives.keras.tuner_estimator import is_keras_code

pytest.importorskip("keras_tuner", reason="an extra")


def build(hp: Any) -> Any:
    if hp.Choice("kind", ["forest", "line"]) == "line":
        return LogisticRegression(C=hp.Float("rate/C", 0.1, 10, sampling="log"))
    return RandomForestClassifier(n_estimators=hp.Int("n", 5, 9), max_depth=2)


def test_it_is_trained_as_an_estimator_with_its_own_space(store: str) -> None:
    study = mlflow_hpo.tune(build, data=load_iris(return_X_y=True), max_trials=4, workers=1, progress=False)
    assert all(set(t.config) == {"kind", "n", "rate/C"} for t in study.trials)
    assert study.trials[0].config == {"kind": "forest", "n": 5, "rate/C": 0.1}
    model = study.best_model()
    assert type(model).__name__ in ("RandomForestClassifier", "LogisticRegression")
    assert study.best_value > 0.8


def test_code_that_names_keras_is_not_called_to_know_it() -> None:
    def of_keras(hp: Any) -> Any:
        import keras

        return keras.Sequential([keras.layers.Dense(hp.Int("units", 1, 2))])

    assert is_keras_code(of_keras)
    assert not is_keras_code(build)
