"""Keras callbacks that a study is given: each training has new ones, and a promotion goes on with them."""

from collections.abc import Callable
from pathlib import Path
from shutil import copytree
from typing import Any

import keras
import numpy as np
import pytest
from plans import make_plan
from units import reported, unit

from mlflow_hpo import tune
from mlflow_hpo.data import Data, DataSpec, load_data
from mlflow_hpo.errors import ConfigError, SetupError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.find import find_objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras import KerasObjective, Keywords, held
from mlflow_hpo.objectives.keras.callbacks import Callbacks
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.study import first_model
from mlflow_hpo.user_code import save_code, use_contents

LOSS = Metric("val_loss", False)


def build(units: int = 4) -> Any:
    layers = [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.SGD(0.5), "binary_crossentropy", metrics=["accuracy"])
    return model


@pytest.fixture
def rows() -> tuple[Any, Any]:
    x = np.random.default_rng(0).random((60, 4))
    return x, (x[:, 0] > 0.5).astype(int)


@pytest.fixture
def data(tmp_path: Path, rows: tuple[Any, Any]) -> Data:
    np.savez(tmp_path / "rows.npz", x=rows[0], y=rows[1])
    return load_data(DataSpec(str(tmp_path / "rows.npz"), 0))


def given(folder: Path, callbacks: Any) -> KerasObjective:
    use_contents(folder)
    digest = save_code(callbacks, folder, "callbacks")
    return KerasObjective(Keywords(build), callbacks=Callbacks("given:callbacks", digest))


@pytest.fixture
def trained(tmp_path: Path, data: Data) -> Callable[..., list[Handle]]:
    """Trains one trial in units, each in its folder, which begins with the last one's checkpoint."""

    def train(callbacks: Any, *stops: int, at_best: bool = False, run: str = "trial") -> list[Handle]:
        objective, start, units = given(tmp_path / "contents", callbacks), 0, list[Handle]()
        for stop in stops:
            folder, before = tmp_path / f"{run}-{stop}", tmp_path / f"{run}-{start}"
            if start:
                copytree(before, folder)
                held._held.clear()
            named: dict[str, Any] = {
                "run_id": run,
                "source_id": run,
                "metric": LOSS,
                "at_best": at_best,
                "max_epochs": 9,
            }
            units.append(unit(folder, start, stop, data=data, **named))
            objective.train(units[-1])
            start = stop
        return units

    return train


def test_they_count_on_where_the_last_unit_ended(trained: Callable[..., list[Handle]]) -> None:
    def plateau() -> list[Any]:
        return [
            keras.callbacks.ReduceLROnPlateau("val_loss", factor=0.5, patience=2, min_delta=9, min_lr=1e-9)
        ]

    [whole] = trained(plateau(), 6, run="whole")
    *_, last = trained(plateau(), 3, 5, 6, run="parts")
    rate = {epoch: values["learning_rate"] for epoch, values in reported(whole).items()}
    assert rate[1] > rate[6]
    assert reported(last)[6] == pytest.approx(reported(whole)[6])


def test_early_stopping_that_restores_weights_ends_the_trial_with_the_best_ones(
    trained: Callable[..., list[Handle]],
) -> None:
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=9, restore_best_weights=True)
    [trial] = trained([stop], 9, at_best=True)
    assert trial.reached == 2
    assert trial.reason == "ended by itself at epoch 2 of 9"
    assert trial.best_epoch == 2  # of the losses, which the callback compares with another margin
    assert vars(stop)["wait"] == 0  # ours was a copy


def test_each_run_has_its_own_files(trained: Callable[..., list[Handle]], tmp_path: Path) -> None:
    out = tmp_path / "out"
    callbacks = [
        keras.callbacks.ModelCheckpoint(str(out / "{epoch}.keras"), monitor="val_loss"),
        keras.callbacks.CSVLogger(str(out / "log.csv")),
    ]
    trained(callbacks, 1, 2, run="one")
    trained(callbacks, 1, run="two")
    assert sorted(path.relative_to(out).as_posix() for path in out.rglob("*.keras")) == [
        "one/1.keras", "one/2.keras", "two/1.keras",
    ]  # fmt: skip
    header, *epochs = (out / "one/log.csv").read_text().splitlines()
    assert header.startswith("epoch")
    assert [line.split(",")[0] for line in epochs] == ["0", "1"]


@pytest.mark.parametrize(
    ("callbacks", "problem"),
    [
        (["val_loss"], "'val_loss' is no Keras callback"),
        (keras.callbacks.BackupAndRestore("kept"), "leave out BackupAndRestore"),
    ],
)
def test_what_cannot_work_is_refused_before_a_trial(
    callbacks: Any, problem: str, data: Data, tmp_path: Path
) -> None:
    with pytest.raises(SetupError, match=problem):
        given(tmp_path / "contents", callbacks).dry_run(unit(tmp_path / "unit", data=data))


def test_from_python_each_fold_has_new_ones(
    rows: tuple[Any, Any], store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_model, "END_SECONDS", 0)  # whether the model loads is not asked here
    stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=9, restore_best_weights=True)
    options: dict[str, Any] = {"max_trials": 1, "max_epochs": 4, "folds": 2, "workers": 0, "progress": False}
    study = tune(build, {"units": [4, 8]}, rows, callbacks=[stop], **options)
    [trial] = study.trials
    assert trial.epochs == 2
    assert study.best_model().predict(rows[0][:3], verbose=0).shape == (3, 1)


def test_a_function_in_a_file_gives_them(tmp_path: Path, data: Data) -> None:
    file = tmp_path / "given_callbacks.py"
    file.write_text(
        "import keras\n"
        "def callbacks():\n"
        "    return [keras.callbacks.EarlyStopping('loss', patience=1, min_delta=9)]\n"
        "def build():\n"
        "    model = keras.Sequential([keras.layers.Dense(1)])\n"
        "    model.compile('sgd', 'mse')\n"
        "    return model\n"
    )
    spec = ObjectiveSpec(f"{file}:build", DataSpec(""), callbacks=f"{file}:callbacks")
    objective = find_objective(spec)
    trial = unit(tmp_path / "unit", 0, 9, data=data)
    objective.train(trial)
    assert trial.reached == 2


def test_code_that_is_not_there_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match=r"callbacks 'nowhere.py:f' cannot be loaded: there is no file"):
        make_plan({"model": "mlp", "callbacks": "nowhere.py:f"})
    with pytest.raises(ConfigError, match="callbacks: 'callbacks' was given from Python"):
        make_plan({"model": "mlp", "callbacks": "given:callbacks"})


@pytest.mark.parametrize(
    ("model", "kind"), [("sklearn.svm:SVC", "an estimator"), ("objective", "a function")]
)
def test_they_are_for_keras_models_alone(model: str, kind: str, tmp_path: Path, store: str) -> None:
    given_model = model if ":" in model else lambda config: 1.0
    space = {"C": [1.0, 2.0]}
    with pytest.raises(ConfigError, match=f"callbacks: they are for Keras models, and .* is {kind}"):
        tune(given_model, space, "digits", callbacks=[keras.callbacks.History()], workers=0, progress=False)
