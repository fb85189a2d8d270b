"""A Keras model that preprocesses a table itself gets its columns as they are; another gets numbers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from data_loading import given
from units import Logging, reported, unit

from mlflow_hpo.data import Data, load_data
from mlflow_hpo.errors import SetupError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.objectives.scoring import predict_test_part
from mlflow_hpo.objectives.sklearn import MetricScorer
from mlflow_hpo.store import Connection
from mlflow_hpo.store.models import load_model

ROWS = 60
layers = keras.layers
rng = np.random.default_rng(0)
Y = np.arange(ROWS) % 2
TEXTS = [f"{'good' if y else 'bad'} film {n}" for n, y in enumerate(Y)]
TABLE = pd.DataFrame(
    {"word": np.where(Y, "yes", "no"), "size": rng.normal(1000, 10, ROWS), "age": np.arange(ROWS), "id": "x"}
)
NUMBERS = pd.DataFrame({"a": rng.normal(50, 3, ROWS), "b": rng.normal(-9, 2, ROWS)})


def compiled(model: Any) -> Any:
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def of_text(units: int = 4) -> Any:
    words = layers.TextVectorization(max_tokens=20, output_mode="multi_hot")
    words.adapt(TEXTS)
    return compiled(keras.Sequential([words, layers.Dense(units), layers.Dense(1, activation="sigmoid")]))


def of_text_input(units: int = 4) -> Any:
    words = layers.TextVectorization(max_tokens=20, output_mode="multi_hot", vocabulary=["good", "bad"])
    model = [keras.Input((), dtype="string"), words, layers.Dense(1, activation="sigmoid")]
    return compiled(keras.Sequential(model))


def of_columns(units: int = 4) -> Any:
    word = keras.Input((1,), dtype="string", name="word")
    size, age = keras.Input((1,), name="size"), keras.Input((1,), name="age", dtype="int64")
    parts = [
        layers.StringLookup(vocabulary=["yes", "no"], output_mode="one_hot")(word),
        layers.Normalization(mean=1000.0, variance=100.0)(size),
        layers.IntegerLookup(vocabulary=list(range(ROWS)), output_mode="one_hot")(age),
    ]
    hidden = layers.Dense(units)(layers.Concatenate()(parts))
    return compiled(keras.Model([word, size, age], layers.Dense(1, activation="sigmoid")(hidden)))


class Doubled(keras.layers.Layer):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return 2 * x


def of_columns_with_a_layer_of_the_user_s(units: int = 4) -> Any:
    model = of_columns(units)
    hidden = Doubled()(model.layers[-2].output)
    return compiled(keras.Model(model.inputs, layers.Dense(1, activation="sigmoid")(hidden)))


def normalized(units: int = 4) -> Any:
    norm = layers.Normalization()
    norm.adapt(NUMBERS.to_numpy())
    return compiled(keras.Sequential([norm, layers.Dense(units), layers.Dense(1, activation="sigmoid")]))


CASES: list[tuple[Callable[..., Any], Any]] = [
    (of_text, TEXTS),
    (of_text_input, pd.Series(TEXTS, name="review")),
    (of_columns, TABLE),
    (of_columns_with_a_layer_of_the_user_s, TABLE),
    (normalized, NUMBERS),
]


def loaded(x: Any, folder: Path) -> Data:
    return load_data(given((x, Y), folder))


@pytest.mark.parametrize(("build", "x"), CASES, ids=[build.__name__ for build, _ in CASES])
def test_columns_are_as_given_in_training_and_when_served(
    build: Callable[..., Any], x: Any, tmp_path: Path, connection: Connection, experiment: str
) -> None:
    data, metric = loaded(x, tmp_path), Metric("val_f1", True)
    objective = KerasObjective(Keywords(build), scorer=MetricScorer("val_f1"))
    assert "val_accuracy" in (objective.dry_run(unit(tmp_path / "tried", data=data)) or ())
    trial = unit(tmp_path / "unit", 0, 2, data=data, metric=metric, reports=Logging(connection, experiment))
    objective.train(trial)
    scores = reported(trial)[2]
    assert {"val_accuracy", "val_f1"} <= set(scores)

    def load(flavor: str) -> Any:
        return load_model(flavor, trial.progress.model_uri, connection.uri)

    held_out = data.mapped(lambda part: data.validation)
    answers = predict_test_part(load, {"pyfunc"}, held_out).answers
    assert np.mean(answers == data.validation.y) == pytest.approx(scores["val_accuracy"])
    assert objective.evaluate(load, held_out)["accuracy"] == pytest.approx(scores["val_accuracy"])


def test_what_normalizes_by_itself_gets_the_raw_numbers(tmp_path: Path) -> None:
    data = loaded(NUMBERS, tmp_path)
    rows = KerasObjective(Keywords(normalized))._inputs(unit(tmp_path / "unit", data=data)).data
    assert rows is not None
    assert np.allclose(rows.train.x, data.train.x)


def test_a_table_for_any_other_model_becomes_numbers(tmp_path: Path) -> None:
    def plain(units: int = 4) -> Any:
        return compiled(keras.Sequential([layers.Dense(units), layers.Dense(1, activation="sigmoid")]))

    rows = KerasObjective(Keywords(plain))._inputs(unit(tmp_path / "unit", data=loaded(TABLE, tmp_path))).data
    assert rows is not None
    assert rows.train.x.dtype == np.float32
    assert abs(rows.train.x[:, 1].mean()) < 1


def test_missing_strings_are_counted(tmp_path: Path) -> None:
    data = loaded(TABLE.assign(word=TABLE["word"].where(TABLE["age"] > 0)), tmp_path)
    with pytest.raises(SetupError, match="column 'word' has 1 missing values: fill them"):
        KerasObjective(Keywords(of_columns)).dry_run(unit(tmp_path / "unit", data=data))
