"""A folder of images that would take much memory is trained on as a stream."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
from PIL import Image
from units import reported, unit

from mlflow_hpo.data import Data, DataSpec, folds, load_data, whole
from mlflow_hpo.data.sources import images
from mlflow_hpo.errors import ConfigError, DataError
from mlflow_hpo.hardware import Usage
from mlflow_hpo.objectives.keras import KerasObjective, Keywords

CLASSES = ("ant", "cat", "dog")


def draw(folder: Path, count: int, size: int) -> str:
    """Draws a few images, each with many names."""
    for number, name in enumerate(CLASSES):
        place = folder / "pets" / name
        place.mkdir(parents=True)
        drawn = min(count, 20)
        for i in range(drawn):
            Image.new("RGB", (size, size + i), (number * 100, i, 0)).save(place / f"{i}.png")
        for i in range(drawn, count):
            os.link(place / f"{i % drawn}.png", place / f"{i}.png")
    return str(folder / "pets")


def read(data: Data, part: str) -> tuple[Any, Any]:
    assert data.streams is not None
    batches = list(data.streams[part].parts())
    return np.concatenate([b.x for b in batches]), np.concatenate([b.y for b in batches])


def build(units: int = 4) -> Any:
    model = keras.Sequential([keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def test_the_stream_has_the_rows_that_would_be_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = draw(tmp_path, 20, 9)
    kept = load_data(DataSpec(folder, image_size=8))
    monkeypatch.setattr(images, "MOST_BYTES", 0)
    data = load_data(DataSpec(folder, image_size=8, seed=0, class_weight='{"cat": 3}'))
    assert kept.streams is None
    assert (data.classes, data.labels, data.shape, data.rows) == (3, CLASSES, (8, 8, 3), len(kept.train))
    for name in ("train", "validation", "test"):
        x, y = read(data, name)
        part = getattr(kept, name)
        order, expected = np.lexsort(x[:, 0, 0, :2].T), np.lexsort(part.x[:, 0, 0, :2].T)
        assert np.allclose(x[order], part.x[expected], atol=1e-6)
        assert np.array_equal(y[order], part.y[expected])
    weights = {(y, w) for b in data.streams["train"].parts() for y, w in zip(b.y, b.weights, strict=True)}  # type: ignore[index, arg-type]
    assert weights == {(0, 1), (1, 3), (2, 1)}
    some = load_data(DataSpec(folder, image_size=8, fraction=0.5))
    assert (some.rows, len(read(some, "test")[0])) == (18, 12)
    seeds = [load_data(DataSpec(folder, image_size=8, seed=seed, fraction=1.0)).digest for seed in (1, 2)]
    assert len({*seeds, data.digest, some.digest}) == 4


def test_what_is_wrong_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = draw(tmp_path, 20, 9)
    monkeypatch.setattr(images, "MOST_BYTES", 0)
    with pytest.raises(ConfigError, match="folds: 3 folds cannot be cut of a stream"):
        folds(load_data(DataSpec(folder, image_size=7)), 3, 0)
    with pytest.raises(DataError, match="class-weight: 'cow' is no class: they are ant, cat, dog"):
        load_data(DataSpec(folder, class_weight='{"cow": 3}'))
    for file in Path(folder, "cat").iterdir():
        file.write_text("no image")
    with pytest.raises(DataError, match=r"its stream cannot be read: .*Unknown image file format"):
        load_data(DataSpec(folder, image_size=6))


def test_a_folder_ten_times_the_memory_that_is_allowed_is_trained_on(tmp_path: Path) -> None:
    size, count = 128, 1870
    folder = draw(tmp_path, count, size)
    objective = KerasObjective(Keywords(build))
    objective.train(unit(tmp_path / "small", data=load_data(DataSpec(draw(tmp_path / "few", 20, size)))))
    before, usage = psutil.Process().memory_info().rss, Usage()
    data = load_data(DataSpec(folder, image_size=size))
    assert len(CLASSES) * count * size * size * 3 * 4 > 1.1e9
    trial = unit(tmp_path / "large", data=data)
    objective.train(trial)
    assert "val_loss" in reported(trial)[1]
    assert whole(data).streams
    assert usage.peak_memory_bytes - before < 110e6
