"""Trials repeat for their seeds, also where a model draws on random numbers that TensorFlow itself keeps."""

import gc
import random
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from units import reported, unit

from mlflow_hpo.data import Data, DataSpec, load_data
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.objectives.keras.seeding import begin, go_on

Metrics = dict[int, dict[str, float]]


def noisy(units: int = 8, eager: bool = False) -> Any:
    """A model whose layer draws on TensorFlow's own random numbers, not on Keras's."""
    import keras
    import tensorflow as tf

    class Noise(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any, training: bool = False) -> Any:
            return x + tf.random.normal(tf.shape(x)) if training else x

    layers = [keras.layers.Flatten(), Noise(), keras.layers.Dense(units), keras.layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((8, 8, 1)), *layers])
    model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=eager)
    return model


@pytest.fixture
def objective() -> KerasObjective:
    found = KerasObjective(Keywords(noisy))
    found.warm_up()
    return found


@pytest.fixture
def data() -> Data:
    return load_data(DataSpec("digits"))


class Trainer:
    def __init__(self, objective: KerasObjective, data: Data, folder: Path) -> None:
        self._objective, self._data, self._folder = objective, data, folder

    def __call__(self, run_id: str, seed: int, start: int, epochs: int, **config: Any) -> Metrics:
        self.fetched = False
        given: dict[str, Any] = {"config": config, "seed": seed, "max_epochs": 4, "data": self._data}
        source: dict[str, Any] = {"source_id": run_id, "fetch": self._fetch} if start else {}
        trial = unit(self._folder, start, epochs, run_id=run_id, **given, **source)
        self._objective.train(trial)
        return reported(trial)

    def _fetch(self) -> None:
        self.fetched = True


@pytest.fixture
def train(objective: KerasObjective, data: Data, tmp_path: Path) -> Trainer:
    return Trainer(objective, data, tmp_path)


def test_a_seed_that_comes_back_gives_the_same_losses(train: Trainer) -> None:
    first = train("a", 1, 0, 3)
    other = train("b", 2, 0, 3)
    assert train("c", 1, 0, 3) == first
    assert train("d", 2, 0, 3) == other
    assert other[1]["loss"] != first[1]["loss"]


def test_a_held_model_goes_on_where_its_random_numbers_were(train: Trainer) -> None:
    whole = train("whole", 3, 0, 3)
    parts = train("parts", 3, 0, 1)
    train("other", 4, 0, 1)
    assert parts | train("parts", 3, 1, 3) == whole


@pytest.mark.parametrize("eager", [False, True])
def test_a_model_that_runs_eagerly_is_not_held(train: Trainer, eager: bool) -> None:
    train("first rung", 5, 0, 1, eager=eager, batch_size=1000)
    train("first rung", 5, 1, 2, eager=eager, batch_size=1000)
    assert train.fetched == eager


@pytest.mark.parametrize("seeded", [partial(begin, keep=True), partial(begin, keep=False), go_on])
def test_every_generator_is_seeded(seeded: Any) -> None:
    import keras

    def drawn() -> tuple[float, float, int]:
        seeded(9)
        return random.random(), float(np.random.random()), keras.random.randint((), 0, 10**6).numpy()

    assert drawn() == drawn()


@pytest.mark.parametrize("keep", [False, True])
def test_tensorflows_own_numbers_begin_anew_where_a_seed_does(keep: bool) -> None:
    import tensorflow as tf

    def drawn(seed: int) -> float:
        begin(seed, keep)
        return float(tf.random.uniform([]))

    first, other = drawn(9), drawn(10)
    assert (drawn(9), drawn(10)) == (first, other)
    go_on(11)
    between = float(tf.random.uniform([]))
    assert drawn(11) == between != first


def test_names_of_layers_begin_anew_with_each_trial() -> None:
    import keras

    names = []
    for seed in (11, 12):
        begin(seed, keep=True)
        names.append(keras.layers.Dense(1).name)
    assert names == ["dense", "dense"]


def test_the_graph_of_a_model_that_is_gone_is_gone(train: Trainer) -> None:
    def graphs() -> int:
        gc.collect()
        return sum(type(found).__name__ == "FuncGraph" for found in gc.get_objects())

    train("first", 21, 0, 4)  # to its last epoch: it is not held
    before = graphs()
    for seed in range(22, 25):
        train(f"run {seed}", seed, 0, 4)
    assert graphs() <= before
