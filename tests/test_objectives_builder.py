"""A builder with keyword arguments, as people write it for a KerasClassifier, and what is logged of it."""

from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import mlflow
import numpy as np
import pytest
from contracts import ObjectiveContract
from units import ending, unit

from mlflow_hpo.data import Data, DataSpec, Part, load_data
from mlflow_hpo.errors import ConfigError, SetupError, TrialError
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective, Keywords
from mlflow_hpo.space import parse_space
from mlflow_hpo.trial import Config


def create_model(hidden: int = 32, dropout: float = 0.2, lr_rate: float = 0.01) -> Any:
    import keras

    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(hidden, activation="relu"),
            keras.layers.Dropout(dropout),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    optimizer = keras.optimizers.Adam(learning_rate=lr_rate)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def with_own_layer(input_shape: tuple[int, ...], num_classes: int, units: int = 8) -> Any:
    import keras

    class Own(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, units: int) -> None:
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x: Any) -> Any:
            return keras.activations.softmax(self.dense(keras.ops.reshape(x, (-1, 64))))

    model = keras.Sequential([keras.Input(input_shape), Own(num_classes)])
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    return model


def objective(function: Any) -> KerasObjective:
    found = KerasObjective(Keywords(function))
    found.warm_up()
    return found


class TestKeywords(ObjectiveContract):
    objective = objective(create_model)
    config: ClassVar[Config] = {"hidden": 16, "dropout": 0.3, "batch_size": 48}
    broken: ClassVar[Config] = {"lr_rate": 1e38}
    metrics: ClassVar[set[str]] = {"loss", "accuracy", "val_loss", "val_accuracy"}

    def test_epochs_in_a_config_end_the_trial(self, tmp_path: Path) -> None:
        trial = self.handle(tmp_path, 0, 3, {"hidden": 8, "epochs": 2})
        self.train(trial)
        assert trial.reached == 2
        assert ending(trial) == "trained for its 2 epochs"

    def test_early_stopping_goes_on_after_a_checkpoint(self, tmp_path: Path) -> None:
        """At a learning rate of 0 nothing becomes better, wherever a unit ends."""
        for cut in (1, 4):
            folder = tmp_path / str(cut)
            trial = self.watched(folder, 0, cut)
            self.train(trial)
            if cut == 1:
                assert not trial.ended_itself
                trial = self.watched(folder, 1, 4)
                self.train(trial)
            assert ending(trial) == "stopped early at epoch 3 of 4: no better val_loss for 2 epochs"

    def watched(self, folder: Path, start: int, epochs: int) -> Handle:
        config = {"hidden": 8, "lr_rate": 0.0, "dropout": 0.0}
        return self.handle(folder, start, epochs, config, metric="val_loss", early_stopping=2)


class TestOwnLayer(ObjectiveContract):
    """Arguments that the data fill in, a layer that Keras could not load, targets that must be one-hot."""

    objective = objective(with_own_layer)
    config: ClassVar[Config] = {"units": 8}
    broken: ClassVar[Config] = {"units": 8}
    metrics: ClassVar[set[str]] = {"loss", "accuracy", "val_loss", "val_accuracy"}

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        data = load_data(DataSpec(self.data))
        nothing = data.mapped(lambda part: Part(np.full_like(part.x, np.nan), part.y))
        trial = self.handle(tmp_path, 0, 1, data=nothing)
        with pytest.raises(Exception, match="became nan at epoch 1"):
            self.train(trial)

    def test_what_is_logged_needs_none_of_the_users_code(self, tmp_path: Path) -> None:
        self.train(self.handle(tmp_path, 0, 1))
        example, options = self.reports.options["inputs"], self.reports.options
        path = str(tmp_path / "model")
        mlflow.keras.save_model(
            self.model,
            path,
            signature=mlflow.models.infer_signature(example, options["outputs"]),
            save_exported_model=options["save_exported_model"],
            pip_requirements=options["pip_requirements"],
        )
        answers = mlflow.pyfunc.load_model(path).predict(example)
        np.testing.assert_allclose(answers, self.model.predict(example, verbose=0), atol=1e-5)


def subclassed(units: int = 8) -> Any:
    import keras

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self, units: int) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(units, "tanh")
            self.last = keras.layers.Dense(10, "softmax")

        def call(self, x: Any) -> Any:
            return self.last(self.hidden(keras.ops.reshape(x, (-1, 64))))

    model = Own(units)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class TestSubclass(ObjectiveContract):
    """A model of a class of the user's, which Keras cannot make again from its configuration."""

    objective = objective(subclassed)
    config: ClassVar[Config] = {"units": 8}
    broken: ClassVar[Config] = {"units": 8}
    metrics: ClassVar[set[str]] = {"loss", "accuracy", "val_loss", "val_accuracy"}

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        TestOwnLayer.test_a_loss_that_is_not_finite_fails(self, tmp_path)  # type: ignore[arg-type]


def test_what_a_builder_does_not_take_is_refused_by_name() -> None:
    model = objective(create_model).describe("own", None)
    model.check(parse_space("{hidden: [1, 2], batch_size: [8, 16], epochs: [1, 2]}", "s"))
    with pytest.raises(ConfigError, match="model 'own' takes no 'units': it takes batch_size, dropout"):
        model.check(parse_space("units: [1, 2]", "s"))


def test_data_that_do_not_fit_are_named_with_their_shape(tmp_path: Path) -> None:
    def narrow() -> Any:
        import keras

        model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(10, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    with pytest.raises(SetupError, match=r"does not fit data 'digits', whose inputs have shape \(8, 8, 1\)"):
        objective(narrow).dry_run(unit(tmp_path, data=load_data(DataSpec("digits", 0))))


@pytest.mark.parametrize("returned", [None, 3, "model"])
def test_a_builder_that_returns_no_model_is_refused(tmp_path: Path, returned: Any) -> None:
    with pytest.raises(TrialError, match=f"returned {type(returned).__name__}: expected a compiled"):
        objective(lambda: returned).dry_run(unit(tmp_path, data=load_data(DataSpec("digits", 0))))


def in_unit(size: float, part: Part) -> Part:
    return Part(part.x, (part.y * size + 7).astype(np.float32))


def test_a_regression_does_not_depend_on_the_unit_of_its_targets(tmp_path: Path) -> None:
    digits = load_data(DataSpec("digits", 0))
    losses = []
    for size in (1.0, 1000.0):
        values = digits.mapped(partial(in_unit, size))
        data = Data("values", "", "", 0, (), values.train, values.validation, values.test)
        found = KerasObjective(BuiltIn("mlp"))
        trial = unit(tmp_path, 0, 2, seed=1, data=data)
        found.train(trial)
        losses.append(trial.progress.reported[2]["val_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=0.02)
    assert losses[0] < 1  # better than the mean
