"""With MLFLOW_HPO_FAST_KERAS=0 nothing private of Keras is used, and training comes out as with it."""

from pathlib import Path
from typing import Any

import pytest
from test_objectives_seeding import Metrics, Trainer, noisy
from units import reported, unit

from mlflow_hpo.data import Data, DataSpec, load_data
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective, Keywords
from mlflow_hpo.objectives.keras.fast_epochs import epochs_of, is_plain
from mlflow_hpo.objectives.keras.fit import Fit
from mlflow_hpo.objectives.keras.internals import SWITCH, layers_of
from mlflow_hpo.objectives.keras.rows import tensor

KerasObjective(BuiltIn("mlp")).warm_up()
CONFIG = {"units": 16, "layers": 1, "dropout": 0.3, "batch_size": 100}
# Both ways compute the same float32 numbers, equal to the bit on one CPU; a compiler may fuse them otherwise,
# with relative errors of 1e-7 a step, of which three epochs have 36. Another seed moves a loss by about 1e-2.
TOLERANCE = 1e-4


@pytest.fixture
def data() -> Data:
    return load_data(DataSpec("digits"))


@pytest.fixture(params=["1", "0"], ids=["fast", "plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(SWITCH, request.param)
    return str(request.param)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SWITCH, "0")


def trained(folder: Path, data: Data, name: str, *rungs: int) -> Metrics:
    """Train to one rung after the other."""
    metrics: Metrics = {}
    for start, stop in zip((0, *rungs), rungs, strict=False):
        source = name if start else None
        trial = unit(
            folder, start, stop, config=CONFIG, seed=5, max_epochs=9, data=data, run_id=name, source_id=source
        )
        KerasObjective(BuiltIn("mlp")).train(trial)
        metrics |= reported(trial)
    return metrics


def assert_same(found: Metrics, wanted: Metrics) -> None:
    assert sorted(found) == sorted(wanted)
    for epoch, values in wanted.items():
        assert found[epoch] == pytest.approx(values, abs=TOLERANCE)


def test_the_same_unit_has_the_same_losses_both_ways(
    tmp_path: Path, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics = []
    for value in ("1", "0"):
        monkeypatch.setenv(SWITCH, value)
        metrics.append(trained(tmp_path / value, data, f"both ways {value}", 3))
    assert_same(*metrics)


def test_training_in_parts_equals_training_at_once_both_ways(tmp_path: Path, data: Data, way: str) -> None:
    """With dropout, whose random state a checkpoint of Keras's leaves out."""
    whole = trained(tmp_path / "whole", data, f"whole {way}", 3)
    assert_same(trained(tmp_path / "parts", data, f"parts {way}", 1, 3), whole)


def test_off_tensorflows_own_random_numbers_begin_again_with_each_unit(
    tmp_path: Path, data: Data, plain: None
) -> None:
    """What does not hold without kernels that are kept: such units repeat, but parts are not the whole."""
    train = Trainer(KerasObjective(Keywords(noisy)), data, tmp_path)
    whole = train("whole", 3, 0, 3)
    parts = train("parts", 3, 0, 1) | train("parts", 3, 1, 3)
    assert train.fetched
    assert train("again", 3, 0, 1) | train("again", 3, 1, 3) == parts
    assert train("whole again", 3, 0, 3) == whole
    assert parts[1] == whole[1]
    assert parts[2]["loss"] != whole[2]["loss"]


def test_off_nothing_private_is_touched(tmp_path: Path, data: Data, way: str) -> None:
    import keras

    seen: list[tuple[bool, int]] = []

    class Look(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            unsummed = "_all_reduce_sum_gradients" in vars(self.model.optimizer)
            seen.append((unsummed, self.model.steps_per_execution))

    model = BuiltIn("mlp").build(CONFIG, data)
    trial = unit(tmp_path, 0, 1, seed=5, data=data)
    fit = Fit(trial, model, data)
    fit(**fit.rows(), batch_size=100, callbacks=[Look()])
    steps = -(-len(data.train) // 100)
    assert seen == [(False, 1) if way == "0" else (True, steps)]


def test_off_an_epoch_is_not_traced_as_a_whole(tmp_path: Path, data: Data, way: str) -> None:
    model = BuiltIn("mlp").build(CONFIG, data)
    assert is_plain(model, {}, [])
    fit = Fit(unit(tmp_path, 0, 1, seed=5, data=data), model, data)
    fit(**fit.rows(), batch_size=100)
    before = set(vars(model))
    rows, held_out = ((tensor(p.x), tensor(p.y)) for p in (data.train, data.validation))
    assert epochs_of(model, rows, held_out, 100) is not None
    assert (set(vars(model)) == before) == (way == "1"), "it was traced in `fit` if it is fast"


def test_layers_within_models_are_found_both_ways(way: str) -> None:
    import keras

    inner = keras.layers.Dense(2)
    model = keras.Sequential([keras.Input((3,)), keras.Sequential([keras.Input((3,)), inner])])
    assert any(layer is inner for layer in layers_of(model))
