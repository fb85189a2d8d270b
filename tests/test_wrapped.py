"""Estimators that wrap a builder of Keras models are tuned as that builder."""

from pathlib import Path
from typing import Any

import keras
import pytest
from scikeras.wrappers import KerasClassifier
from units import reported, unit

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.objectives.find import find_objective
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.user_code import save_code, use_contents


def model_of(shape: tuple[int, ...], units: int, outputs: int) -> Any:
    layers = [keras.Input(shape), keras.layers.Flatten(), keras.layers.Dense(units)]
    return keras.Sequential([*layers, keras.layers.Dense(outputs, activation="softmax")])


def compiled(units: int = 4) -> Any:
    model = model_of((8, 8, 1), units, 10)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def of_meta(meta: Any, units: int = 4) -> Any:
    return model_of(meta["X_shape_"][1:], units, meta["n_classes_"])


def of_rows(X: Any, y: Any, units: int = 4) -> Any:  # noqa: N803 (as keras.wrappers has it)
    model = model_of(X.shape[1:], units, y.shape[1])
    model.compile("adam", "categorical_crossentropy", metrics=["accuracy"])
    return model


how = {"loss": "sparse_categorical_crossentropy", "metrics": ["accuracy"]}
WRAPPERS = [
    KerasClassifier(model=compiled, units=6, batch_size=64),
    KerasClassifier(model=of_meta, model__units=6, optimizer="sgd", optimizer__learning_rate=0.25, **how),
    keras.wrappers.SKLearnClassifier(of_rows, model_kwargs={"units": 6}),
]


@pytest.mark.parametrize("wrapper", WRAPPERS, ids=["scikeras", "meta", "keras"])
def test_the_builder_inside_is_tuned(wrapper: Any, tmp_path: Path) -> None:
    use_contents(tmp_path)
    code, data = save_code(wrapper, tmp_path, "model"), load_data(DataSpec("digits"))
    objective = find_objective(ObjectiveSpec("given:wrapper", DataSpec("digits"), code=code))
    info = objective.describe("wrapper", data)
    assert set(info.takes or ()) == {"units", "batch_size", "epochs"}
    assert info.defaults["units"] == 6
    trial = unit(tmp_path / "unit", data=data, config={"units": 5})
    assert "val_accuracy" in (objective.dry_run(trial) or ())
    objective.train(trial)
    assert "val_accuracy" in reported(trial)[1]
    model = trial.reporter.model  # type: ignore[attr-defined]
    assert model.layers[-2].units == 5
    if wrapper is WRAPPERS[1]:
        assert float(model.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    ("wrapper", "problem"),
    [
        (KerasClassifier(model=compiled, callbacks=[keras.callbacks.History()]), "give them as callbacks"),
        (KerasClassifier(model=3), "KerasClassifier wraps 3: give it a function that builds a model"),
    ],
)
def test_what_would_not_be_heeded_is_refused(wrapper: Any, problem: str, tmp_path: Path) -> None:
    use_contents(tmp_path)
    code = save_code(wrapper, tmp_path, "model")
    with pytest.raises(ConfigError, match=problem):
        find_objective(ObjectiveSpec("given:wrapper", DataSpec("digits"), code=code))
