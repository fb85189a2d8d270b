"""Keras on JAX: in a process of its own, as Keras takes its backend when it is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCRIPT = """
import json, sys
from pathlib import Path

import keras
from units import Logging, reported, unit

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.store import Connection
from mlflow_hpo.store.models import load_model

uri, folder = sys.argv[1], Path(sys.argv[2])


def build(units=8):
    layers = [keras.layers.Dense(units, "relu"), keras.layers.Dropout(0.2)]
    model = keras.Sequential([keras.layers.Flatten(), *layers, keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


data, metric = load_data(DataSpec("digits", fraction=0.2)), Metric("val_loss", False)
objective = KerasObjective(Keywords(build))
connection = Connection(uri)


def trained(name, start, stop):
    reports = Logging(connection, "0")
    trial = unit(folder / name, start, stop, data=data, metric=metric, at_best=True,
                 reports=reports, max_epochs=3, run_id=name, source_id=name)
    objective.train(trial)
    return trial


assert objective.dry_run(unit(folder / "tried", data=data))
whole = trained("whole", 0, 3)
trained("parts", 0, 1)
parts = trained("parts", 1, 3)
model = load_model("keras", whole.progress.model_uri, uri)
losses = [values["val_loss"] for values in reported(whole).values()]
print(json.dumps({
    "backend": keras.backend.backend(),
    "whole": reported(whole)[3], "parts": reported(parts)[3],
    "best": min(losses), "loaded": objective.evaluate(lambda flavor: model, data)["loss"],
    "logged": model.evaluate(data.validation.x, data.validation.y, verbose=0),
    "requirements": whole.reporter.options["pip_requirements"],
}))
"""


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], str]) -> Any:
    folder = tmp_path_factory.mktemp("jax")
    given = {"KERAS_BACKEND": "jax", "PYTHONPATH": str(Path(__file__).parent), "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-c", SCRIPT, new_store(folder), str(folder)]
    done = subprocess.run(
        command, env=os.environ | given, capture_output=True, text=True, check=False, cwd=folder
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_jax_that_trains(found: Any) -> None:
    assert found["backend"] == "jax"
    assert any(line.startswith("jax==") for line in found["requirements"])


def test_training_in_parts_equals_training_at_once(found: Any) -> None:
    assert found["parts"] == pytest.approx(found["whole"], abs=1e-5)


def test_the_logged_model_scores_what_the_trial_says(found: Any) -> None:
    assert found["logged"][0] == pytest.approx(found["best"], abs=1e-5)
    assert found["loaded"] > 0
