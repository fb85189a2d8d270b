"""Metrics without a name are called as the first model of a fresh process calls them, in every trial."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from units import reported, unit

from mlflow_hpo.data import Data, Part
from mlflow_hpo.objectives.cross_validation import Repeated
from mlflow_hpo.objectives.keras import KerasObjective, Keywords, Tuner

AUTOMATIC = {"auc", "auc_1", "precision", "my_rate"}


@pytest.fixture
def data() -> Data:
    x = np.random.default_rng(0).normal(size=(80, 3)).astype(np.float32)
    train, held_out = (Part(x[i::2], (x[i::2, 0] > 0).astype(np.int64)) for i in (0, 1))
    return Data("made", "", "", 2, (), train, held_out, held_out)


def compiled(model: Any, **more: Any) -> Any:
    import keras

    class MyRate(keras.metrics.MeanSquaredError):  # type: ignore[misc]
        def __init__(self) -> None:
            keras.metrics.MeanMetricWrapper.__init__(self, keras.losses.mean_squared_error)

    metrics = [keras.metrics.AUC(), keras.metrics.AUC(curve="PR"), MyRate()]
    weighted = [keras.metrics.Precision()]
    model.compile("sgd", "binary_crossentropy", metrics=metrics, weighted_metrics=weighted, **more)
    return model


def with_keywords(units: int = 4) -> Any:
    import keras

    layers = [keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")]
    return compiled(keras.Sequential(layers))


def build_model(hp: Any) -> Any:
    return with_keywords(hp.Int("units", 4, 8))


def subclass(units: int = 4) -> Any:
    import keras

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hidden, self.last = keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")

        def call(self, x: Any) -> Any:
            return self.last(self.hidden(x))

    return compiled(Own())


def compiling_hypermodel() -> Any:
    """A hypermodel whose `fit` compiles again: its metrics are numbered after those of `build`."""
    import keras_tuner

    class Compiles(keras_tuner.HyperModel):  # type: ignore[misc]
        def build(self, hp: Any) -> Any:
            return build_model(hp)

        def fit(self, hp: Any, model: Any, *args: Any, **more: Any) -> Any:
            return compiled(model).fit(*args, **more)

    return Compiles()


BUILDERS = {
    "keywords": Keywords(with_keywords),
    "hypermodel": Tuner(build_model),
    "subclass": Keywords(subclass),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_before_the_search_and_in_every_trial(name: str, tmp_path: Path, data: Data) -> None:
    objective = KerasObjective(BUILDERS[name])
    objective.describe(name, data)
    with_keywords()  # a model of the user's own
    names = objective.dry_run(unit(tmp_path, config={"units": 4}, data=data))
    assert names is not None
    assert AUTOMATIC | {f"val_{n}" for n in AUTOMATIC} <= {*names}
    for number in range(2):
        trial = unit(tmp_path, config={"units": 4}, seed=number, run_id=f"{number}", data=data, max_epochs=2)
        objective.train(trial)
        assert set(reported(trial)[1]) == {*names}


def test_on_every_fold(tmp_path: Path, data: Data) -> None:
    trial = unit(tmp_path, config={"units": 4}, data=data, metric="val_auc_1")
    Repeated(KerasObjective(Keywords(with_keywords)), folds=2, repeats=2, seed=0).train(trial)
    assert {"val_auc", "val_auc_1", "val_auc_1_std"} <= {*reported(trial)[1]}


def test_a_held_model_whose_fit_makes_metrics_calls_them_as_in_its_first_unit(
    tmp_path: Path, data: Data
) -> None:
    objective = KerasObjective(Tuner(compiling_hypermodel()))
    given: dict[str, Any] = {"config": {"units": 4}, "data": data, "max_epochs": 2}
    first = unit(tmp_path, 0, 1, run_id="a", **given)
    objective.train(first)
    objective.train(unit(tmp_path / "b", 0, 1, run_id="b", **given))
    second = unit(tmp_path, 1, 2, run_id="a", source_id="a", **given)
    objective.train(second)
    assert "val_auc_2" in reported(first)[1], "after the two that `build` made"
    assert {*reported(second)[2]} == {*reported(first)[1]}
