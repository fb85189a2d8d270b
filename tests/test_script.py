"""A script of a user's: without a `__main__` guard, it is run once, and what it defines is tuned."""

import sys
from pathlib import Path

import pytest
from conftest import run_command

UNGUARDED = """
from pathlib import Path
import mlflow_hpo

with Path("starts.txt").open("a") as file:
    file.write("started\\n")

OFFSET = 2

def distance(config):
    return abs(config["x"] - OFFSET)

study = mlflow_hpo.tune(distance, {"x": [1, 2, 3]}, algorithm="grid", max_trials="all", workers=2)
print("found", study.best_config)
"""
KERAS = """
import keras
import mlflow
import numpy as np
import mlflow_hpo

class Doubled(keras.layers.Layer):
    def call(self, x):
        return 2 * x

def build(units=8):
    model = keras.Sequential([keras.layers.Flatten(), Doubled(), keras.layers.Dense(units, "relu"),
                              keras.layers.Dense(10, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

study = mlflow_hpo.tune(build, {"units": [8, 16]}, "digits", max_trials=2, max_epochs=1, workers=2)
model = mlflow.pyfunc.load_model(study.best_trial.model_uri)
print("shape", model.predict(np.zeros((3, 8, 8, 1), "float32")).shape)
"""


def ran(uri: str, text: str) -> str:
    Path("script.py").write_text(text)
    done = run_command([sys.executable, "script.py"], uri, Path.cwd(), TF_CPP_MIN_LOG_LEVEL="3")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_a_script_without_a_guard_runs_once_and_finds_the_best(uri: str) -> None:
    assert "found {'x': 2}" in ran(uri, UNGUARDED)
    assert Path("starts.txt").read_text() == "started\n"


@pytest.mark.slow
def test_a_keras_model_with_a_layer_that_the_script_defines(uri: str) -> None:
    said = ran(uri, KERAS)
    assert "shape (3, 10)" in said
    assert "Saved artifact" not in said  # what Keras says of its exports
