"""Estimators that wrap a builder of Keras models are tuned as that builder."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from scikeras.wrappers import KerasClassifier
from units import reported, unit

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.objectives.find import find_objective
from mlflow_hpo.objectives.keras.wrapped import unwrapped
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


STOP = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=9)
TRAINED: list[tuple[Any, dict[str, Any]]] = [
    (KerasClassifier, {"epochs": 7, "class_weight": {3: 2.0}, "callbacks": [STOP], "batch_size": -1}),
    (
        KerasClassifier,
        {"fit__epochs": 7, "class_weight": {3: 2.0}, "callbacks": keras.callbacks.EarlyStopping}
        | {"callbacks__monitor": "loss"}
        | {"callbacks__patience": 0, "callbacks__min_delta": 9},
    ),
    (
        keras.wrappers.SKLearnClassifier,
        {"fit_kwargs": {"epochs": 7, "class_weight": {3: 2.0}, "callbacks": [STOP], "batch_size": 64}},
    ),
]


@pytest.mark.parametrize(("kind", "how"), TRAINED, ids=["scikeras", "routed", "keras"])
def test_it_is_trained_as_the_wrapper_says(kind: Any, how: dict[str, Any], tmp_path: Path) -> None:
    use_contents(tmp_path)
    wrapper = kind(model=of_rows if "fit_kwargs" in how else compiled, **how)
    code, data = save_code(wrapper, tmp_path, "model"), load_data(DataSpec("digits"))
    objective = find_objective(ObjectiveSpec("given:wrapper", DataSpec("digits"), code=code))
    assert objective.describe("wrapper", data).usual_epochs == 7
    trial = unit(tmp_path / "unit", 0, 4, data=data)
    objective.train(trial)
    assert sorted(trial.progress.reported) == [1, 2]
    assert trial.ended_itself
    rows = objective._inputs(trial).data  # type: ignore[attr-defined]
    assert np.array_equal(rows.training_weights, np.where(rows.train.y == 3, 2, 1))
    own = DataSpec("digits", class_weight="balanced")
    counted = objective._inputs(unit(tmp_path / "own", data=load_data(own))).data  # type: ignore[attr-defined]
    assert counted.class_weight == "balanced"
    epochs = int(trial.reporter.model.optimizer.iterations)  # type: ignore[attr-defined]
    batch = how.get("batch_size", how.get("fit_kwargs", {}).get("batch_size", 32))
    assert epochs == 2 * (1 if batch == -1 else -(-len(data.train) // batch))


def test_epochs_that_nobody_asked_for_are_those_of_other_models() -> None:
    assert unwrapped(KerasClassifier(model=compiled)).epochs is None


@pytest.mark.parametrize(
    ("wrapper", "problem"),
    [
        (KerasClassifier(model=compiled, callbacks=[3]), "callbacks of KerasClassifier: If specified"),
        (
            KerasClassifier(model=compiled, validation_split=0.5),
            "has validation_split=0.5, and a study holds",
        ),
        (KerasClassifier(model=compiled, class_weight=[1, 2]), "class_weight of KerasClassifier must be bal"),
        (KerasClassifier(model=3), "KerasClassifier wraps 3: give it a function that builds a model"),
    ],
)
def test_what_would_not_be_heeded_is_refused(wrapper: Any, problem: str, tmp_path: Path) -> None:
    use_contents(tmp_path)
    code = save_code(wrapper, tmp_path, "model")
    with pytest.raises(ConfigError, match=problem):
        find_objective(ObjectiveSpec("given:wrapper", DataSpec("digits"), code=code))
