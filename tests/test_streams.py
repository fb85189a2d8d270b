"""tf.data.Datasets and PyDatasets are trained on as streams: nothing of them but a few rows is kept."""

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from mlflow import MlflowClient
from units import Logging, reported, unit

from mlflow_hpo import tune
from mlflow_hpo.data import Data, DataSpec, load_data, save_data, streams, whole
from mlflow_hpo.data.sources.values import raw_data_of
from mlflow_hpo.data.split import folds
from mlflow_hpo.data.streams import RawStreams
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.hardware import Usage
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.objectives.sklearn import MetricScorer, SklearnObjective
from mlflow_hpo.store import Connection
from mlflow_hpo.store.models import load_model
from mlflow_hpo.study import first_model
from mlflow_hpo.user_code import use_contents
from mlflow_hpo.worker.evaluate import evaluate_model
from mlflow_hpo.worker.messages import Task

SIZE, CLASSES, BATCH = 90, 3, 10


def rows(seed: int, size: int = SIZE) -> tuple[Any, Any]:
    x = np.random.default_rng(seed).random((size, 4)).astype("float32")
    return x, (x[:, 0] * CLASSES).astype("int64")


def dataset(seed: int, size: int = SIZE) -> Any:
    return tf.data.Dataset.from_tensor_slices(rows(seed, size)).batch(BATCH)


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Rows that are made as they are wanted."""

    def __init__(self, seed: int, batches: int = SIZE // BATCH) -> None:
        super().__init__()
        self.seed, self.batches = seed, batches

    @property
    def num_batches(self) -> int:
        return self.batches

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return rows(self.seed * 100 + number, BATCH)


def build(units: int = 4, classes: int = CLASSES) -> Any:
    layers = [keras.layers.Dense(units, activation="relu"), keras.layers.Dense(classes, activation="softmax")]
    model = keras.Sequential(layers)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def given(tmp_path: Path) -> Callable[..., Data]:
    """Data from Python, as a worker has them."""

    def load(value: Any, **options: Any) -> Data:
        spec = DataSpec("given:data", **options)
        use_contents(tmp_path)
        return load_data(DataSpec("given:data", content=save_data(value, tmp_path, spec), **options))

    return load


FORMS: dict[str, Callable[[], Any]] = {
    "tf.data": lambda: tuple(map(dataset, range(3))),
    "PyDataset": lambda: tuple(map(Batches, range(3))),
    "function": lambda: lambda: tuple(map(dataset, range(3))),
}


@pytest.mark.parametrize("form", FORMS)
def test_they_travel_to_workers_as_streams(form: str, given: Callable[..., Data]) -> None:
    data = given(FORMS[form]())
    assert (data.task, data.classes, data.rows, data.shape) == ("classification", CLASSES, SIZE, (4,))
    assert data.streams is not None
    assert len(data.train) <= 32
    assert sum(len(part) for part in data.streams["validation"].parts()) == SIZE
    assert given(FORMS[form]()).digest == data.digest


@pytest.mark.parametrize("form", FORMS)
def test_a_model_is_trained_scored_and_logged_by_them(
    form: str, given: Callable[..., Data], tmp_path: Path, connection: Connection, experiment: str
) -> None:
    data, metric = given(FORMS[form]()), Metric("val_loss", False)
    objective = KerasObjective(Keywords(build))
    assert "val_loss" in (objective.dry_run(unit(tmp_path / "tried", data=data)) or ())
    reports = Logging(connection, experiment)
    trial = unit(tmp_path / "unit", 0, 3, data=data, metric=metric, at_best=True, reports=reports)
    objective.train(trial)
    values = reported(trial)
    model = load_model("keras", trial.progress.model_uri, connection.uri)
    assert data.streams is not None
    loss = model.evaluate(data.streams["validation"].batched, verbose=0, return_dict=True)["loss"]
    assert loss == pytest.approx(min(epoch["val_loss"] for epoch in values.values()), abs=1e-5)
    scores = objective.evaluate(lambda flavor: model, data)
    assert scores["loss"] != pytest.approx(loss)
    signature = load_model("pyfunc", trial.progress.model_uri, connection.uri).metadata.signature
    assert signature.inputs.inputs[0].shape == (-1, 4)
    assert str(signature.inputs.inputs[0].type) == "float32"


def test_a_promotion_goes_on_from_the_checkpoint(given: Callable[..., Data], tmp_path: Path) -> None:
    data, objective = given(FORMS["tf.data"]()), KerasObjective(Keywords(build))
    whole_trial = unit(tmp_path / "whole", 0, 3, data=data)
    objective.train(whole_trial)
    first = unit(tmp_path / "parts", 0, 1, data=data, max_epochs=3, run_id="parts")
    objective.train(first)
    second = unit(tmp_path / "parts", 1, 3, data=data, source_id="other", run_id="parts")
    objective.train(second)
    assert reported(second)[3] == pytest.approx(reported(whole_trial)[3], abs=1e-5)


def test_a_scorer_predicts_the_stream(given: Callable[..., Data], tmp_path: Path) -> None:
    data = given(FORMS["PyDataset"]())
    objective = KerasObjective(Keywords(build), scorer=MetricScorer("val_f1_macro"))
    trial = unit(tmp_path / "unit", 0, 1, data=data, metric=Metric("val_f1_macro", True))
    assert "val_f1_macro" in (objective.dry_run(trial) or ())
    objective.train(trial)
    assert 0 <= reported(trial)[1]["val_f1_macro"] <= 1


def test_batches_are_the_streams_unless_the_space_says_otherwise(given: Callable[..., Data]) -> None:
    streams = given(FORMS["tf.data"]()).streams
    assert streams is not None
    assert {len(x) for x, _ in streams["train"].fitted()} == {BATCH}
    assert {len(x) for x, _ in streams["train"].fitted(45)} == {45}
    single = given(tf.data.Dataset.from_tensor_slices(rows(0))).streams
    assert single is not None
    assert [len(x) for x, _ in single["train"].fitted()] == [32, 32, 26]
    own = given(Batches(0)).streams
    assert own is not None
    with pytest.raises(ConfigError, match=r"batch_size: .* is a PyDataset, which makes its own batches"):
        own["train"].fitted(5)


def test_one_hot_rows_are_classes_and_other_numbers_are_values(given: Callable[..., Data]) -> None:
    x, y = rows(0)
    one_hot = tf.data.Dataset.from_tensor_slices((x, np.eye(CLASSES, dtype="float32")[y])).batch(5)
    values = tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(5)
    assert given(one_hot).classes == CLASSES
    assert given(values).classes == 0
    assert given(dataset(0), task="regression").classes == 0


def test_the_positive_class_is_the_one_that_is_named(given: Callable[..., Data]) -> None:
    x, y = rows(0)
    two = tf.data.Dataset.from_tensor_slices((x, y % 2)).batch(BATCH)
    assert given((two, two), positive="0").positive == 0
    with pytest.raises(DataError, match="positive-class: 'yes' is no class"):
        given((two, two), positive="yes")


def test_a_scorer_is_tried_on_one_hot_rows(given: Callable[..., Data], tmp_path: Path) -> None:
    x, y = rows(0)
    stream = tf.data.Dataset.from_tensor_slices((x, np.eye(CLASSES, dtype="float32")[y])).batch(BATCH)

    def one_hot(units: int = 4) -> Any:
        model = build(units)
        model.compile("adam", "categorical_crossentropy")
        return model

    scorer = MetricScorer("val_f1_macro")
    trial = unit(tmp_path, data=given((stream, stream)), metric=Metric("val_f1_macro", True))
    assert "val_f1_macro" in (KerasObjective(Keywords(one_hot), scorer=scorer).dry_run(trial) or ())


def test_what_needs_rows_in_memory_is_refused_by_name(given: Callable[..., Data], tmp_path: Path) -> None:
    data = given(FORMS["PyDataset"]())
    with pytest.raises(ConfigError, match="folds: 5 folds cannot be cut of a stream"):
        folds(data, 5, 0)
    with pytest.raises(ConfigError, match=r"fraction: 0\.5 of a stream cannot be taken"):
        given(dataset(0), fraction=0.5)
    with pytest.raises(ConfigError, match="class-weight: is for arrays"):
        given(dataset(0), class_weight="balanced")
    with pytest.raises(ConfigError, match="streams are for Keras models, and this is an estimator"):
        SklearnObjective(keras).describe("svc", data)


def weighted(seed: int) -> Any:
    return tf.data.Dataset.from_tensor_slices((*rows(seed), np.full(SIZE, 2, "float32"))).batch(BATCH)


class WeightedBatches(Batches):
    def __getitem__(self, number: int) -> tuple[Any, ...]:
        return (*super().__getitem__(number), np.full(BATCH, 2, "float32"))


@pytest.mark.parametrize(
    "pair",
    [(dataset, dataset), (Batches, Batches), (weighted, dataset), (Batches, WeightedBatches)],
    ids=["tf.data", "PyDataset", "weights", "weights of PyDatasets"],
)
def test_a_final_training_has_the_validation_rows_after_the_others(
    pair: tuple[Callable[[int], Any], Callable[[int], Any]], given: Callable[..., Data], tmp_path: Path
) -> None:
    data = given((pair[0](0), pair[1](1)))
    both = whole(data).streams
    assert both is not None
    assert "validation" not in both
    apart = [part for stream in (data.streams or {}).values() for part in stream.parts()]
    joined = list(both["train"].parts())
    assert all(np.array_equal(one.x, other.x) for one, other in zip(joined, apart, strict=True))
    weights = {weight for part in joined if part.weights is not None for weight in part.weights}
    assert weights == ({1, 2} if pair[0] != pair[1] else set())
    KerasObjective(Keywords(build)).train(unit(tmp_path / "unit", data=whole(data)))


def test_streams_that_cannot_be_joined_are_refused_before_the_search(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"max_trials": 2, "workers": 0, "progress": False}
    with pytest.raises(ConfigError, match=r"final: .* being of another kind: give final=false"):
        tune(build, {"units": [4, 8]}, (dataset(0), Batches(1)), final=True, **options)
    with pytest.raises(
        ConfigError, match=r"one stream alone has no rows for val_accuracy: give \(train, val"
    ):
        tune(build, {"units": [4, 8]}, dataset(0), **options)
    assert not MlflowClient(store).search_runs(["0"])


def test_one_stream_alone_is_tuned_by_a_metric_of_its_training_rows(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_model, "END_SECONDS", 0)
    options: dict[str, Any] = {"max_trials": 1, "max_epochs": 1, "workers": 0, "progress": False}
    study = tune(build, {"units": [4, 8]}, dataset(0), metric="accuracy", **options)
    assert 0 <= study.best_value <= 1


def few(seed: int) -> Any:
    return tf.data.Dataset.from_tensor_slices(rows(seed))


def autoencoder() -> Any:
    x, _ = rows(0)
    return tf.data.Dataset.from_tensor_slices((x, x))


ROWS_OR_BATCHES: list[tuple[Callable[[], Any], int | None]] = [
    (autoencoder, 32),
    (lambda: autoencoder().shuffle(9).map(lambda x, y: (x, y)).prefetch(1), 32),
    (lambda: autoencoder().batch(BATCH, drop_remainder=True).cache(), BATCH),
    (lambda: autoencoder().batch(BATCH).unbatch(), 32),
    (lambda: autoencoder().padded_batch(BATCH).repeat(2).take(3), BATCH),
    (lambda: tf.data.Dataset.from_tensors(rows(0)), SIZE),
    (lambda: generated_of((4,), (4,)), None),
    (lambda: generated_of((4,), ()), 32),
    (lambda: generated_of((None, 4), (None,)), 1),
]


def generated_of(*shapes: tuple[int | None, ...]) -> Any:
    def elements() -> Iterator[Any]:
        for _ in range(SIZE):
            yield tuple(np.ones([size or 1 for size in shape], "float32") for shape in shapes)

    return tf.data.Dataset.from_generator(
        elements, output_signature=tuple(tf.TensorSpec(shape, tf.float32) for shape in shapes)
    )


@pytest.mark.parametrize(("make", "batch"), ROWS_OR_BATCHES)
def test_rows_are_told_from_batches(
    make: Callable[[], Any], batch: int | None, given: Callable[..., Data]
) -> None:
    if batch is None:
        with pytest.raises(DataError, match=r"is a row or a batch cannot be told: batch\(32\) rows"):
            given(make)
        return
    for value in (make,) if "generated_of" in make.__code__.co_names else (make, make()):
        streams = given(value, task="regression").streams
        assert streams is not None
        assert len(next(streams["train"].parts())) == batch


def test_streams_with_other_rows_have_another_digest(given: Callable[..., Data]) -> None:
    def shuffled(seed: int, noise: float = 0) -> Any:
        added = dataset(seed).map(lambda x, y: (x + noise * tf.random.uniform(tf.shape(x)), y))
        return added.shuffle(BATCH)

    makers = (dataset, few, Batches, weighted, shuffled, lambda seed: shuffled(seed, 1))
    digests = [[given(make(seed)).digest for seed in (0, 0, 1)] for make in makers]
    assert all(same == again != other for same, again, other in digests)


def generated() -> Any:
    def pairs() -> Iterator[Any]:
        yield rows(0)

    signature = (tf.TensorSpec((None, 4), tf.float32), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(pairs, output_signature=signature)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (lambda: dataset(0).repeat(), r"gave a tf\.data\.Dataset without an end"),
        (lambda: lambda: generated().repeat().prefetch(1), r"gave a tf\.data\.Dataset without an end"),
        (lambda: dataset(0).repeat().filter(lambda x, y: True), r"gave a tf\.data\.Dataset without an end"),
        (lambda: (dataset(0), dataset(0).repeat().filter(lambda x, y: True)), "without an end"),
        (lambda: Batches(0, 10**18), "gave a PyDataset without an end: let it have as many batches"),
        (lambda: Batches(0, None), "gave a PyDataset without an end"),  # type: ignore[arg-type]
        (lambda: Batches(0, "x"), "does not say how many batches it has"),  # type: ignore[arg-type]
        (lambda: dataset(0).take(0), "its stream is empty"),
        (lambda: tf.data.Dataset.range(3), r"a stream gives pairs \(x, y\) or triples"),
        (lambda: (dataset(0), rows(1)), "expected"),
        (
            generated,
            "calls Python, as from_generator does, and cannot be sent to the workers: give a function",
        ),
    ],
)
def test_what_is_no_stream_of_rows_is_refused(
    value: Callable[[], Any], problem: str, given: Callable[..., Data]
) -> None:
    with pytest.raises((ConfigError, DataError), match=problem):
        given(value())
    if value is generated:
        assert given(generated).rows == SIZE


def test_a_stream_that_does_not_end_in_time_is_refused(
    given: Callable[..., Data], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "COUNT_SECONDS", 0.5)

    def endless() -> Iterator[Any]:
        while True:
            yield rows(0)

    signature = (tf.TensorSpec((None, 4), tf.float32), tf.TensorSpec((None,), tf.int64))

    def make() -> Any:
        return tf.data.Dataset.from_generator(endless, output_signature=signature)

    for value in (make, lambda: (dataset(0), make())):
        with pytest.raises(DataError, match=r"not ended after [\d,]+ rows in 0\.5 s: take\(\) as much as an"):
            given(value)
    length = tf.data.experimental.assert_cardinality(3)
    assert given(lambda: make().take(3).apply(length)).rows == 3 * SIZE


def test_an_augmented_stream_travels_too() -> None:
    noisy = dataset(0).shuffle(9).map(lambda x, y: (x + tf.random.uniform(tf.shape(x)), y)).prefetch(2)
    raw = raw_data_of(noisy, DataSpec("noisy"))
    assert isinstance(raw, RawStreams)
    [stream] = pickle.loads(pickle.dumps(raw)).parts.values()
    one, other = (np.concatenate([part.x for part in stream.parts()]) for _ in range(2))
    assert one.shape == (SIZE, 4)
    assert not np.allclose(one, other)


def test_a_study_is_tuned_by_streams_and_compares_models_row_by_row(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_model, "END_SECONDS", 0)  # whether the model loads is not asked here
    options: dict[str, Any] = {"max_trials": 2, "max_epochs": 2, "workers": 0, "progress": False}
    study = tune(build, {"units": [4, 8]}, tuple(map(dataset, range(3))), **options)
    assert study.best_model().predict(rows(0)[0], verbose=0).shape == (SIZE, CLASSES)
    task = Task(study._spec, (Metric("val_accuracy", True),), None, 2, store, "0")
    found = evaluate_model(task, study.best_trial.model_uri)
    assert {name: len(values) for name, values in found.rows.items()} == {"accuracy": SIZE, "loss": SIZE}
    assert found.rows["accuracy"].mean() == pytest.approx(found.scores["accuracy"])
    assert found.rows["loss"].mean() == pytest.approx(found.scores["loss"], abs=1e-5)


class Wide(Batches):
    """200 batches of 8 MB: ten times the memory that it may take."""

    def __getitem__(self, number: int) -> tuple[Any, Any]:
        return np.full((512, 4096), number / self.batches, np.float32), np.arange(512) % CLASSES


def test_a_stream_ten_times_the_memory_that_is_allowed_is_trained_on(
    given: Callable[..., Data], tmp_path: Path
) -> None:
    objective = KerasObjective(Keywords(build))
    small = given((Wide(0, 2), Wide(0, 2)))
    objective.train(unit(tmp_path / "small", data=small))  # what TensorFlow keeps for good is there now
    before, usage = psutil.Process().memory_info().rss, Usage()
    data = given((Wide(0, 200), Wide(0, 20)))
    objective.train(unit(tmp_path / "large", data=data))
    assert data.rows * 4096 * 4 > 1.6e9
    assert usage.peak_memory_bytes - before < 160e6
