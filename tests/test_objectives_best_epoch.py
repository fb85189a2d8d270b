"""Which epoch's value counts, and that the logged model has its weights, whatever the user's code does."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from shutil import copytree
from typing import Any

import numpy as np
import pytest
from units import Logging, score_of_logged_model, unit

keras_tuner = pytest.importorskip("keras_tuner", reason="KerasTuner is an extra")

from mlflow_hpo.data import Data, DataSpec, load_data  # noqa: E402
from mlflow_hpo.errors import SetupError  # noqa: E402
from mlflow_hpo.metric import Metric  # noqa: E402
from mlflow_hpo.objectives.handle import Handle  # noqa: E402
from mlflow_hpo.objectives.keras import KerasObjective, Keywords, Tuner, held, weights  # noqa: E402
from mlflow_hpo.store import Connection  # noqa: E402
from mlflow_hpo.store.models import load_model  # noqa: E402

ACCURACY, SCORE, LOSS = Metric("val_accuracy", True), Metric("val_score", True), Metric("val_loss", False)
BEST = 3  # the epoch at which `val_score` peaks


def build(hp: Any = None) -> Any:
    import keras

    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Peaked(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
    """One with a metric of its own that peaks in the middle; `answer` makes what its fit returns."""

    def __init__(self, answer: Callable[[Any, Any], Any] = lambda model, history: history) -> None:
        super().__init__()
        self.answer, self.weights, self.more = answer, dict[int, Any](), list[Any]()

    def build(self, hp: Any) -> Any:
        return build()

    def fit(self, hp: Any, model: Any, *args: Any, callbacks: Any = (), **kwargs: Any) -> Any:
        from keras.callbacks import LambdaCallback

        def peak(epoch: int, logs: Any) -> None:
            logs["val_score"] = 1 - abs(epoch + 1 - BEST) / 10
            self.weights[epoch + 1] = model.get_weights()

        history = model.fit(
            *args, callbacks=[LambdaCallback(on_epoch_end=peak), *self.more, *callbacks], **kwargs
        )
        return self.answer(model, history)


@pytest.fixture(autouse=True)
def nothing_is_held() -> None:
    held.clear()


@pytest.fixture
def data() -> Data:
    return load_data(DataSpec("digits", 0))


@pytest.fixture
def train(tmp_path: Path, connection: Connection, experiment: str, data: Data) -> Callable[..., Handle]:
    def trained(
        target: Any, *stops: int, metric: Metric = SCORE, at_best: bool = True, forgotten_at: int = 0
    ) -> Handle:
        objective = KerasObjective(target if isinstance(target, Keywords) else Tuner(target))
        best, start, before = None, 0, tmp_path
        for stop in stops:
            folder = tmp_path / f"until-{stop}"
            trial = unit(
                folder,
                start,
                stop,
                metric=metric,
                at_best=at_best,
                best=best,
                run_id="trial",
                source_id="trial",
                data=data,
                max_epochs=6,
                reports=Logging(connection, experiment),
                fetch=partial(fetched, before, folder) if start else None,
            )
            objective.train(trial)
            best, start, before = trial.progress.best, stop, folder
            if stop == forgotten_at:
                held.clear()
        return trial

    return trained


def fetched(checkpoint: Path, folder: Path) -> None:
    copytree(checkpoint, folder, dirs_exist_ok=True)


def logged_weights(trial: Handle) -> Any:
    assert isinstance(trial.reporter, Logging)
    return load_model("keras", trial.progress.model_uri, trial.reporter.connection.uri).get_weights()


def same(one: Any, other: Any) -> bool:
    return all(np.allclose(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize(
    ("are_held", "stops"),
    [(False, (6,)), (False, (2, 6)), (False, (3, 4, 5)), (True, (3, 6)), (True, (4, 6))],
)
def test_the_best_epoch_counts_with_its_weights_however_the_training_is_cut(
    train: Callable[..., Handle], are_held: bool, stops: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(held, "MAX_HELD", held.MAX_HELD if are_held else 0)
    model = Peaked()
    trial = train(model, *stops)
    assert trial.best_epoch == BEST
    assert trial.progress.value("val_score", stops[-1]) == 1
    assert same(logged_weights(trial), model.weights[BEST])
    assert not same(model.weights[BEST], model.weights[stops[-1]])
    again = Peaked()
    train(again, stops[-1])
    assert same(again.weights[stops[-1]], model.weights[stops[-1]]), "promotions go on from the last epoch"


def test_a_model_that_is_held_after_it_was_restored_still_has_its_best_weights(
    train: Callable[..., Handle],
) -> None:
    model = Peaked()
    trial = train(model, 4, 5, 6, forgotten_at=4)  # as in another worker, and then in the same
    assert (trial.best_epoch, trial.progress.value("val_score", 6)) == (BEST, 1)
    assert same(logged_weights(trial), model.weights[BEST])


def test_the_weights_of_a_large_model_are_kept_on_the_disk(
    train: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(weights, "IN_MEMORY_BYTES", 0)
    model = Peaked()
    trial = train(model, 4, 6)
    assert same(logged_weights(trial), model.weights[BEST])
    assert not list(tmp_path.rglob(weights.LAST_FILE))


def test_at_last_the_last_epoch_counts_whatever_the_users_callbacks_restore(
    train: Callable[..., Handle], connection: Connection
) -> None:
    from keras.callbacks import EarlyStopping

    model = Peaked()
    model.more = [EarlyStopping("val_score", patience=4, mode="max", restore_best_weights=True)]
    trial = train(model, 6, at_best=False, metric=LOSS)
    assert trial.best_epoch is None
    assert same(logged_weights(trial), model.weights[6])
    assert trial.progress.value("val_loss", 6) == trial.progress.reported[6]["val_loss"]
    assert score_of_logged_model(trial, connection, LOSS) == pytest.approx(
        trial.progress.value("val_loss", 6), abs=1e-4
    )


def average(model: Any, history: Any) -> Any:
    """Leaves weights that no epoch had, and returns their accuracy."""
    model.set_weights([w * 0.5 for w in model.get_weights()])
    return 0.25


@pytest.mark.parametrize(
    ("answer", "value", "epoch"),
    [
        (lambda model, history: 0.75, 0.75, 6),
        (lambda model, history: np.float32(0.75), 0.75, 6),
        (lambda model, history: {"val_score": 0.75, "note": "words"}, 0.75, 6),
        (lambda model, history: [0.5, {"val_score": 1.0}], 0.75, 6),
        (lambda model, history: [history, history], 1.0, BEST),
        (lambda model, history: max(history.history["val_score"]), 1.0, BEST),
        (lambda model, history: history.history["val_score"][-1], 0.7, 6),
        (lambda model, history: history, 1.0, BEST),
        (lambda model, history: history.history, 1.0, BEST),
        (lambda model, history: None, 1.0, BEST),
    ],
)
def test_what_fit_returns_is_the_value_and_the_model_is_the_one_that_had_it(
    train: Callable[..., Handle], answer: Any, value: float, epoch: int
) -> None:
    model = Peaked(answer)
    trial = train(model, 6)
    assert trial.progress.value("val_score", 6) == pytest.approx(value)
    assert trial.best_epoch == epoch
    assert same(logged_weights(trial), model.weights[epoch])


@pytest.mark.parametrize("at_best", [True, False])
def test_weights_that_fit_left_count_with_the_value_that_it_returned(
    train: Callable[..., Handle], at_best: bool
) -> None:
    model = Peaked(average)
    trial = train(model, 6, at_best=at_best)
    assert trial.progress.value("val_score", 6) == 0.25
    assert same(logged_weights(trial), [w * 0.5 for w in model.weights[6]])


@pytest.mark.parametrize("in_memory", [weights.IN_MEMORY_BYTES, 0])
def test_an_earlier_unit_that_was_better_still_counts(
    train: Callable[..., Handle], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, in_memory: int
) -> None:
    monkeypatch.setattr(weights, "IN_MEMORY_BYTES", in_memory)
    monkeypatch.setattr(held, "MAX_HELD", 0)  # as large models are
    values = iter([0.65, 0.5])
    model = Peaked(lambda model, history: next(values))
    trial = train(model, 1, 3)
    assert (trial.best_epoch, trial.progress.value("val_score", 3)) == (1, 0.65)
    assert same(logged_weights(trial), model.weights[1])
    assert not list(tmp_path.rglob(weights.NEW_FILE))


def test_a_value_that_only_fit_knows_needs_no_epoch_to_report_it(train: Callable[..., Handle]) -> None:
    trial = train(Peaked(lambda model, history: {"val_f1": 0.5}), 2, metric=Metric("val_f1", True))
    assert trial.progress.value("val_f1", 2) == 0.5
    assert "loss" in trial.progress.reported[1]


@pytest.mark.parametrize("answer", [{"f1": 0.5}, {}, [{"f1": 0.5}, {"f1": 0.7}]])
def test_other_numbers_do_not_stand_for_a_metric_that_a_scorer_could_compute(
    train: Callable[..., Handle], answer: Any
) -> None:
    with pytest.raises(SetupError, match=r"no metric 'val_accuracy': it reported (f1|nothing)"):
        train(Peaked(lambda model, history: answer), 1, metric=ACCURACY)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda model, history: {"f1": 0.5}, "reported no metric 'val_score': it reported f1"),
        (lambda model, history: model, "fit returned Sequential: return a number, a dict of metrics"),
        (lambda model, history: "0.5", "fit returned str: return a number"),
    ],
)
def test_what_is_no_value_is_refused(train: Callable[..., Handle], answer: Any, words: str) -> None:
    with pytest.raises(SetupError, match=words):
        train(Peaked(answer), 1)


def test_an_average_of_the_weights_that_keras_puts_in_at_the_end_does_not_count(
    train: Callable[..., Handle], connection: Connection
) -> None:
    """The values of the epochs were measured without it."""
    import keras

    def averaged() -> Any:
        model = build()
        optimizer = keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)
        model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
        return model

    for at_best in (True, False):
        trial = train(Keywords(averaged), 2, at_best=at_best, metric=LOSS)
        found = score_of_logged_model(trial, connection, LOSS)
        assert found == pytest.approx(trial.progress.value("val_loss", 2), abs=1e-4)


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (Peaked(), {"classification": "val_accuracy", "regression": "val_loss"}),
        (Peaked(lambda model, history: 1.5), dict.fromkeys(("", "classification"), "default_objective")),
        (Peaked(lambda model, history: {"f1": 1}), {"classification": "val_accuracy"}),
    ],
)
def test_the_default_metric_follows_what_fit_returns(data: Data, model: Any, names: dict[str, str]) -> None:
    found = KerasObjective(Tuner(model)).describe("own", data).metric
    assert {task: found[task] for task in names} == names


@pytest.mark.parametrize(("metrics", "name"), [(["accuracy"], "val_accuracy"), ([], "val_loss")])
def test_a_hypermodel_that_brings_its_data_has_a_default_metric(
    data: Data, metrics: list[str], name: str
) -> None:
    class Complete(keras_tuner.HyperModel):  # type: ignore[misc, name-defined]
        def build(self, hp: Any) -> Any:
            model = build()
            model.compile("sgd", "sparse_categorical_crossentropy", metrics=metrics)
            return model

        def fit(self, hp: Any, model: Any, **kwargs: Any) -> Any:
            part = data.train
            return model.fit(part.x, part.y, validation_data=(part.x, part.y), **kwargs)

    assert KerasObjective(Tuner(Complete())).describe("own", None).metric[""] == name
