"""Whatever a user's code builds and compiles a Keras model with, the logged one predicts without it."""

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from conftest import environment
from typing_extensions import override
from units import Reports, unit

from mlflow_hpo.data import Data, Part
from mlflow_hpo.objectives.keras import KerasObjective, Keywords, Tuner
from mlflow_hpo.objectives.keras.portable import can_be_compiled, can_be_loaded
from mlflow_hpo.store import Connection, download_model, example_of
from mlflow_hpo.store.models import log_model

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(40, 4)).astype(np.float32), RNG.normal(size=(40, 1)).astype(np.float32)
ROWS = Part(X, Y)
DATA = Data("values", "", "0", 0, (), ROWS, ROWS.rows(slice(8)), ROWS.rows(slice(8)))
ops = keras.ops


def squares(y: Any, answers: Any) -> Any:
    return ops.mean(ops.square(y - answers))


def doubled(x: Any, *more: Any) -> Any:
    return 2 * x


def relu(x: Any) -> Any:
    """It has the name of one of Keras's."""
    return ops.maximum(x, 0.5)


def ones(shape: Any, dtype: Any = None) -> Any:
    return ops.ones(shape, dtype)


class Squares(keras.losses.Loss):  # type: ignore[misc]
    def call(self, y: Any, answers: Any) -> Any:
        return ops.square(y - answers)


class Count(keras.metrics.Mean):  # type: ignore[misc]
    """A metric that Keras could not make again."""

    def __init__(self, rows: Any) -> None:
        super().__init__("count")

    def update_state(self, y: Any, answers: Any, sample_weight: Any = None) -> None:
        super().update_state(ops.shape(y)[0])


class Steps(keras.optimizers.SGD):  # type: ignore[misc]
    pass


class Rate(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    def __call__(self, step: Any) -> Any:
        return 0.01 / (ops.cast(step, "float32") + 1)


class Start(keras.initializers.Initializer):  # type: ignore[misc]
    def __call__(self, shape: Any, dtype: Any = None) -> Any:
        return ops.ones(shape, dtype) / 3


class Small(keras.regularizers.Regularizer):  # type: ignore[misc]
    def __call__(self, weights: Any) -> Any:
        return 0.1 * ops.sum(ops.square(weights))


class Bounded(keras.constraints.Constraint):  # type: ignore[misc]
    def __call__(self, weights: Any) -> Any:
        return ops.clip(weights, -0.5, 0.5)


class Noisy(keras.layers.Layer):  # type: ignore[misc]
    """Takes itself to be training where nobody says that it is not."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.dense, self.drop = keras.layers.Dense(3), keras.layers.Dropout(0.5)

    def call(self, x: Any, training: bool = True) -> Any:
        return self.drop(self.dense(x), training=training)


class OnlyPython(keras.layers.Layer):  # type: ignore[misc]
    """Cannot be traced: it looks at numbers."""

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self.dense = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.dense(x) * (1.0 if float(np.asarray(x).sum()) < 1e9 else -1.0)


class Whole(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.noisy, self.last = Noisy(), keras.layers.Dense(1)

    def call(self, x: Any, training: bool = True) -> Any:
        return self.last(self.noisy(x, training=training))


class Stepping(Whole):
    """Trains by steps of its own."""

    def train_step(self, data: Any) -> Any:
        x, y = data
        loss = ops.mean(ops.square(y - self(x, training=True)))
        return {"loss": loss}


class SteppingGraph(keras.Model):  # type: ignore[misc]
    """The same, of a graph of layers."""

    train_step = Stepping.train_step


def dense(*more: Any, **how: Any) -> Any:
    return keras.Sequential([keras.layers.Dense(3, **how), *more, keras.layers.Dense(1)])


def graph(kind: Any) -> Any:
    x = keras.Input((4,))
    return kind(x, keras.layers.Dense(1)(x))


MODELS: Mapping[str, Callable[[], Any]] = {
    "Keras's own": dense,
    "layer": lambda: dense(Noisy()),
    "activation": lambda: dense(activation=doubled),
    "activation with a name of Keras's": lambda: dense(activation=relu),
    "activation without a name": lambda: dense(activation=lambda x: 2 * x),
    "initializer": lambda: dense(kernel_initializer=ones),
    "initializer of a class": lambda: dense(kernel_initializer=Start()),
    "regularizer": lambda: dense(kernel_regularizer=Small()),
    "constraint": lambda: dense(kernel_constraint=Bounded()),
    "Lambda": lambda: dense(keras.layers.Lambda(doubled)),
    "Lambda within a model": lambda: dense(keras.Sequential([keras.layers.Lambda(lambda x: 2 * x)])),
    "subclass": Whole,
    "subclass with steps": Stepping,
    "graph with steps": lambda: graph(SteppingGraph),
}
UNTRACEABLE: Mapping[str, Callable[[], Any]] = {"only Python": lambda: dense(OnlyPython())}
COMPILED: Mapping[str, Callable[[], dict[str, Any]]] = {
    "loss": lambda: {"loss": squares},
    "loss of a class": lambda: {"loss": Squares()},
    "loss without a name": lambda: {"loss": lambda y, answers: ops.mean(ops.square(y - answers))},
    "metric": lambda: {"metrics": [squares]},
    "metric of a class": lambda: {"metrics": [Count(0)]},
    "optimizer": lambda: {"optimizer": Steps()},
    "learning rate": lambda: {"optimizer": keras.optimizers.Adam(Rate())},
}
KINDS = (*MODELS, *COMPILED)


def model_of(kind: str = "") -> Any:
    model = {**MODELS, **UNTRACEABLE}.get(kind, dense)()
    eager = {"run_eagerly": True} if kind in UNTRACEABLE else {}
    model.compile(**{"loss": "mse", "optimizer": "adam", **eager, **COMPILED.get(kind, dict)()})
    return model


class Logging(Reports):
    """Logs the model to a real store, and keeps what it predicted when it was logged."""

    def __init__(self, connection: Connection, experiment: str) -> None:
        super().__init__()
        self._connection, self._experiment = connection, experiment

    @override
    def on_model(self, flavor: str, model: Any, epochs: int, **options: Any) -> str:
        run_id = self._connection.client.create_run(self._experiment).info.run_id
        return log_model(self._connection, self._experiment, run_id, flavor, model, epochs, **options)[0]


@pytest.fixture
def trained(connection: Connection, experiment: str, tmp_path: Path) -> Callable[..., tuple[Any, str]]:
    """Trains a kind's model; gives the model and the address of what was logged of it."""

    def train(kind: str, data: Data = DATA) -> tuple[Any, str]:
        models = []

        def build(kind: str = "") -> Any:
            models.append(model_of(kind))
            return models[-1]

        handle = unit(
            tmp_path / kind, data=data, config={"kind": kind}, reports=Logging(connection, experiment)
        )
        KerasObjective(Keywords(build)).train(handle)
        return models[-1], handle.progress.model_uri

    return train


CHILD = """
import json, sys
import mlflow, numpy, pandas
uris, x = json.load(sys.stdin)
answers = {}
for kind, uri in uris.items():
    model, rows = mlflow.pyfunc.load_model(uri), numpy.array(x, "float32")
    if model.metadata.signature.inputs.has_input_names():
        rows = pandas.DataFrame(rows, columns=list("abcd"))
    answers[kind] = numpy.asarray(model.predict(rows)).tolist()
print("answers", json.dumps(answers))
"""


def test_in_a_process_that_knows_none_of_it(trained: Callable[..., tuple[Any, str]], uri: str) -> None:
    table = DATA.mapped(lambda part: Part(pd.DataFrame(part.x, columns=list("abcd")), part.y))
    logged = {kind: trained(kind) for kind in KINDS}
    tables = {f"{kind}, a table": trained(kind, table) for kind in ("Keras's own", "subclass", "metric")}
    uris = {kind: address for kind, (_, address) in (logged | tables).items()}
    done = subprocess.run(
        [sys.executable, "-I", "-c", CHILD],
        input=json.dumps([uris, X[:5].tolist()]),
        env=environment(uri),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout.rpartition("answers")[2])
    for kind, (model, _) in logged.items():
        np.testing.assert_allclose(answers[kind], model.predict(X[:5], verbose=0), atol=1e-5, err_msg=kind)
    for kind in tables:
        assert np.shape(answers[kind]) == (5, 1)


@pytest.mark.parametrize("kind", KINDS)
def test_only_what_is_keras_own_is_left_to_keras(kind: str) -> None:
    model = model_of(kind)
    model(X[:1])
    assert can_be_loaded(model) == (kind in ("Keras's own", *COMPILED))
    assert can_be_compiled(model) == (kind not in COMPILED)
    assert model.compiled


@pytest.mark.parametrize(
    "kind", ["Keras's own", "layer", "subclass", "graph with steps", "metric", "optimizer", "only Python"]
)
def test_the_users_code_builds_it_again_with_its_weights_and_its_optimizer(
    trained: Callable[..., tuple[Any, str]], uri: str, tmp_path: Path, kind: str
) -> None:
    model, address = trained(kind)
    files = download_model(address, uri, tmp_path)
    handle = unit(files, 1, 1, data=DATA, config={"kind": kind})
    again = KerasObjective(Keywords(model_of)).restored(handle)
    assert type(again) is type(model)
    assert type(again.optimizer) is type(model.optimizer)
    assert int(again.optimizer.iterations) == int(model.optimizer.iterations)
    assert again.evaluate(X, Y, verbose=0) == pytest.approx(model.evaluate(X, Y, verbose=0))


def test_a_model_without_an_input_takes_any_number_of_rows(trained: Callable[..., tuple[Any, str]]) -> None:
    """As plain Keras makes it when it begins to train it."""
    plain, (model, _) = model_of(), trained("Keras's own")
    plain.fit(X, Y, verbose=0)
    assert (model.input_shape, model.output_shape) == (plain.input_shape, plain.output_shape)
    assert model.input_shape == (None, 4)


def brings_data(make: Callable[[], Any], x: Any) -> Any:
    """Makes a hypermodel whose data the study does not know."""
    keras_tuner = pytest.importorskip("keras_tuner", reason="KerasTuner is an extra")

    class BringsData(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
        def build(self, hp: Any) -> Any:
            model = make()
            model.compile("sgd", "mse")
            return model

        def fit(self, hp: Any, model: Any, **how: Any) -> Any:
            given, held_out = ((x, Y), (x, Y)) if isinstance(x, np.ndarray) else ((x,), x)
            return model.fit(*given, validation_data=held_out, **how)

    return BringsData()


class Sum(keras.Model):  # type: ignore[misc]
    """Adds what it makes of two inputs, of which one counts double; may answer twice."""

    def __init__(self, names: Any, twice: bool = False) -> None:
        super().__init__()
        self.names, self.twice, self.noisy = names, twice, Noisy()

    def call(self, x: Any, training: bool = True) -> Any:
        first, second = (self.noisy(x[name], training=training) for name in self.names)
        answer = ops.mean(2 * first + second, axis=1, keepdims=True)
        return [answer, -answer] if self.twice else answer


@pytest.mark.parametrize("twice", [False, True])
@pytest.mark.parametrize("names", [("b", "a"), (0, 1)], ids=["dict", "tuple"])
def test_several_inputs_of_a_model_of_the_users_own(
    names: Any, twice: bool, connection: Connection, experiment: str, uri: str, tmp_path: Path
) -> None:
    models = []

    def build() -> Any:
        models.append(Sum(names, twice))
        models[-1].compile("sgd", ["mse", "mse"] if twice else "mse")
        return models[-1]

    def several(part: Part) -> Part:
        return Part({"b": part.x, "a": part.x + 1} if names[0] else (part.x, part.x + 1), targets(part.y))

    def targets(y: Any) -> Any:
        return (y, -y) if twice else y

    data = DATA.mapped(several)
    handle = unit(tmp_path / "unit", data=data, reports=Logging(connection, experiment))
    KerasObjective(Keywords(build)).train(handle)
    files = download_model(handle.progress.model_uri, uri, tmp_path)
    assert not list(files.rglob("*.keras")), "only the graph, which needs no code"
    x = {"a": X + 1, "b": X} if names[0] else {"input_0": X, "input_1": X + 1}
    answers = mlflow.pyfunc.load_model(str(files)).predict(x)
    answers = [*answers.values()] if twice else answers
    np.testing.assert_allclose(answers, models[-1].predict(data.train.x, verbose=0), atol=1e-5)


BATCHES = tf.data.Dataset.from_tensor_slices((X, Y)).batch(8)


@pytest.mark.parametrize("x", [X, BATCHES], ids=["rows", "batches"])
def test_the_example_of_a_model_that_brings_its_data_is_what_it_was_trained_on(
    x: Any, connection: Connection, experiment: str, uri: str, tmp_path: Path
) -> None:
    handle = unit(tmp_path / "unit", reports=Logging(connection, experiment))
    objective = KerasObjective(Tuner(brings_data(lambda: dense(Noisy()), x)))
    objective.train(handle)
    files = download_model(handle.progress.model_uri, uri, tmp_path)
    np.testing.assert_array_equal(example_of(files), X[:2])
    model = mlflow.pyfunc.load_model(str(files))
    again = objective.restored(unit(files, 1, 1), example_of(files))
    np.testing.assert_allclose(model.predict(X), again.predict(X, verbose=0), atol=1e-5)


def test_what_cannot_be_built_is_said_as_the_first_attempt_said_it(tmp_path: Path) -> None:
    def build(n: int = 3) -> Any:
        parts = [layer for _ in range(n) for layer in (keras.layers.MaxPooling2D(2), keras.layers.ReLU())]
        model = keras.Sequential([keras.layers.Reshape((2, 2, 1)), *parts, keras.layers.Flatten()])
        model.compile("sgd", "mse")
        return model

    with pytest.raises(Exception, match="output size would be zero or negative"):
        KerasObjective(Keywords(build)).train(unit(tmp_path, data=DATA))
