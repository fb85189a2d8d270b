"""An epoch as one execution comes out as Keras's own loop over batches does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from units import reported, unit

from mlflow_hpo.data import Data, DataSpec, Part, load_data
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective
from mlflow_hpo.objectives.keras.fast_epochs import epochs_of, is_plain
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.objectives.keras.rows import tensor

KerasObjective(BuiltIn("mlp")).warm_up()

EPOCHS, BATCH = 3, 100


def mlp(**how: Any) -> Any:
    import keras

    keras.utils.set_random_seed(5)
    layers = [keras.layers.Flatten(), keras.layers.Dense(16, "tanh"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **how)
    return model


def bystander() -> Any:
    """A callback of the user's own, which might look at each batch: Keras's loop runs then."""
    from keras.callbacks import LambdaCallback

    return LambdaCallback(on_epoch_end=lambda epoch, logs: None)


@pytest.fixture
def data() -> Data:
    return load_data(DataSpec("digits"))


def trained(folder: Path, data: Data, model: Any, **given: Any) -> dict[int, dict[str, float]]:
    trial = unit(folder, 0, EPOCHS, seed=7, data=data)
    fit = Fit(trial, model, data)
    fit(**{**fit.rows(), "batch_size": BATCH, **given})
    return reported(trial)


def assert_same(found: dict[int, dict[str, float]], wanted: dict[int, dict[str, float]]) -> None:
    assert sorted(found) == sorted(wanted) == list(range(1, EPOCHS + 1))
    for epoch, values in wanted.items():
        assert found[epoch] == pytest.approx(values, abs=1e-4)


@pytest.mark.parametrize("rows", [1, 3])
def test_the_metrics_are_those_of_keras(tmp_path: Path, data: Data, rows: int) -> None:
    """With three times the rows, those to validate on are more than are evaluated at once."""
    more = data.mapped(lambda part: Part(np.repeat(part.x, 2 * rows, 0), np.repeat(part.y, 2 * rows, 0)))
    ours, keras = mlp(), mlp()
    found = trained(tmp_path, more, ours)
    assert_same(found, trained(tmp_path, more, keras, callbacks=[bystander()]))
    for mine, theirs in zip(ours.get_weights(), keras.get_weights(), strict=True):
        assert mine == pytest.approx(theirs, abs=1e-4)
    held_out = keras.evaluate(more.validation.x, more.validation.y, verbose=0, return_dict=True)
    assert found[EPOCHS]["val_loss"] == pytest.approx(held_out["loss"], abs=1e-4)


def test_the_model_is_then_as_the_user_made_it(tmp_path: Path, data: Data) -> None:
    model = mlp()
    found = trained(tmp_path, data, model)
    assert model.steps_per_execution == 1
    held_out = model.evaluate(data.validation.x, data.validation.y, verbose=0, return_dict=True)
    assert found[EPOCHS]["val_loss"] == pytest.approx(held_out["loss"], abs=1e-4)


def test_a_model_that_is_compiled_anew_is_traced_anew(tmp_path: Path, data: Data) -> None:
    """As a `fit` of the user's own does that trains some layers first, and then all."""
    model = mlp()
    first = trained(tmp_path, data, model)
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    second = trained(tmp_path, data, model)
    assert int(model.optimizer.iterations) == EPOCHS * -(-len(data.train) // BATCH)
    assert 0 < second[EPOCHS]["val_loss"] < first[EPOCHS]["val_loss"]


def test_a_model_that_goes_on_is_not_traced_again(tmp_path: Path, data: Data) -> None:
    model = mlp()
    rows = (tensor(data.train.x), tensor(data.train.y))
    trained(tmp_path, data, model)
    held_out = (tensor(data.validation.x), tensor(data.validation.y))
    known = epochs_of(model, rows, held_out, BATCH)
    trained(tmp_path, data, model)
    assert known is not None
    assert epochs_of(model, rows, held_out, BATCH) is known


def test_a_compiled_step_stays_compiled(tmp_path: Path, data: Data) -> None:
    found = trained(tmp_path, data, mlp(jit_compile=True))
    assert_same(found, trained(tmp_path, data, mlp(jit_compile=True), callbacks=[bystander()]))


def test_early_stopping_of_keras_itself_is_heard(tmp_path: Path, data: Data) -> None:
    from keras.callbacks import EarlyStopping

    stop = EarlyStopping("val_loss", patience=1, min_delta=10)
    assert is_plain(mlp(), {}, [stop])
    assert sorted(trained(tmp_path, data, mlp(), callbacks=[stop])) == [1, 2]


def test_weights_of_classes_are_kept(tmp_path: Path, data: Data) -> None:
    weights = {label: float(label == 3) for label in range(10)}
    found = trained(tmp_path, data, mlp(), class_weight=weights)
    assert found[EPOCHS]["val_accuracy"] < 0.3, "it learned what has no weight"


def of_another_step() -> Any:
    import keras

    class Other(keras.Sequential):  # type: ignore[misc]
        def train_step(self, batch: Any) -> Any:
            return {**super().train_step(batch), "own": 1.0}

    model = Other([keras.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(10, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


@pytest.mark.parametrize(
    ("make", "given"),
    [
        (of_another_step, {}),
        (lambda: mlp(run_eagerly=True), {}),
        (lambda: mlp(steps_per_execution=4), {}),
        (mlp, {"class_weight": {0: 1.0}}),
        (mlp, {"validation_freq": 2}),
    ],
)
def test_what_looks_at_steps_is_left_to_keras(make: Callable[[], Any], given: dict[str, Any]) -> None:
    assert is_plain(mlp(), {}, [])
    assert not is_plain(make(), given, [])
    assert not is_plain(mlp(), {}, [bystander()])


def test_a_callback_that_counts_batches_is_left_to_keras(tmp_path: Path) -> None:
    from keras.callbacks import ModelCheckpoint

    file = tmp_path / "model.keras"
    assert is_plain(mlp(), {}, [ModelCheckpoint(file)])
    assert not is_plain(mlp(), {}, [ModelCheckpoint(file, save_freq=100)])


def test_metrics_of_the_users_own_step_are_reported(tmp_path: Path, data: Data) -> None:
    assert trained(tmp_path, data, of_another_step())[EPOCHS]["own"] == 1


def test_a_model_whose_variables_come_late_is_left_to_keras(data: Data) -> None:
    import keras

    class Late(keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.scale = None

        def call(self, x: Any, training: bool = False) -> Any:
            if training and self.scale is None:
                self.scale = keras.Variable(1.0)
            return x

    model = keras.Sequential([keras.Input((8, 8, 1)), Late(), keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rows = (tensor(data.train.x), tensor(data.train.y))
    assert epochs_of(model, rows, None, BATCH) is None
