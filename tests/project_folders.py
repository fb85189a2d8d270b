"""Projects that know nothing of mlflow_hpo, as folders; and how tests run them."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from commands import called
from conftest import PROJECT, environment, run_command
from mlflow.entities import Run

from mlflow_hpo.store import Connection

ELASTICNET = PROJECT / "examples/projects/elasticnet"
SPACE = {"alpha": {"type": "float", "low": 0.0001, "high": 1.0, "log": True}}
STEPS = """
import subprocess, sys, time
from pathlib import Path
import mlflow

level = float(sys.argv[1])
child = subprocess.Popen(["sleep", "600"])  # a loader of data, say
with Path("processes").open("a") as known:
    print(child.pid, file=known)
with mlflow.start_run():
    for step in range(10, 90, 10):
        mlflow.log_metric("loss", level + 1 / step, step=step)
        time.sleep(0.7 if level > 1 else 0)
child.kill()
"""
BUDGET = """
import argparse
import mlflow

parser = argparse.ArgumentParser()
parser.add_argument("--rate", type=float)
parser.add_argument("--epochs", type=int)
given = parser.parse_args()
mlflow.log_params(vars(given))
for epoch in range(given.epochs):
    mlflow.log_metric("accuracy", given.rate * (epoch + 1) / 100, step=epoch)
"""
SHELL = """
set -e
test "$2" != 0.5 || { echo "half is no good" >&2; exit 7; }
python - "$2" <<'END'
import sys, mlflow
with mlflow.start_run(run_name="own"):
    mlflow.log_metric("error", abs(float(sys.argv[1]) - 0.3))
    with mlflow.start_run(nested=True, run_name="inner"):
        pass
END
"""
KERAS = """
import argparse
import keras, mlflow, numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--units", type=int, default=4)
units = parser.parse_args().units
mlflow.autolog()
x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(units), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, x.sum(axis=1), epochs=2, verbose=0)
"""
MLPROJECT = """
name: {name}
{environment}
entry_points:
  main:
    parameters:
      {parameters}
    command: "{command}"
"""


def project(
    folder: Path, files: dict[str, str], parameters: str = "", command: str = "", environment: str = ""
) -> str:
    """A folder with these files, and with an MLproject where there is a command."""
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    if command:
        text = MLPROJECT.format(
            name=folder.name, environment=environment, parameters=parameters, command=command
        )
        (folder / "MLproject").write_text(text)
    return str(folder)


def steps_project(folder: Path) -> str:
    """It logs `loss` at eight steps, and keeps a child of its own."""
    return project(
        folder / "steps", {"train.py": STEPS}, "level: {type: float, default: 1.0}", "python train.py {level}"
    )


def budget_project(folder: Path) -> str:
    """Its accuracy grows with its epochs and its rate."""
    parameters = "rate: {type: float, default: 0.5}\n      epochs: {type: int, default: 4}"
    command = "python train.py --rate {rate} --epochs {epochs}"
    return project(folder / "budget", {"train.py": BUDGET}, parameters, command)


def tune(
    uri: str, project: str, config: dict[str, object], *options: str
) -> subprocess.CompletedProcess[str]:
    """`mlflow run PROJECT --backend hpo`, in this process: MLflow calls the backend in its own."""
    return called(environment(uri), *_run(project, config, *options), command="mlflow")


def tune_process(
    uri: str, project: str, config: dict[str, object], *options: str
) -> subprocess.CompletedProcess[str]:
    """The same in a process of its own, as a user has it."""
    return run_command([sys.executable, "-m", "mlflow", *_run(project, config, *options)], uri, Path.cwd())


def _run(project: str, config: dict[str, object], *options: str) -> list[str]:
    given = ("--backend-config", json.dumps(config), "--experiment-name", "job", *options)
    return ["run", project, "--backend", "hpo", *given]


def every_run(uri: str) -> list[Run]:
    """The study's run first, then in order of creation."""
    return list(Connection(uri).client.search_runs(["1"], order_by=["attributes.start_time ASC"]))


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def runs(process: int) -> bool:
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
