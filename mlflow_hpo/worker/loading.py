"""Loads a logged model once as a server would: in a fresh process, where the user's code is not.

Like `startup`, it imports nothing heavy at its top.
"""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow_hpo.errors import worded
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.execution.folders import process_folder
from mlflow_hpo.execution.imports import libraries
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.execution.preload import Preload, silence
from mlflow_hpo.worker.startup import environment

if TYPE_CHECKING:
    from mlflow_hpo.objectives.spec import ObjectiveSpec

PACKAGE = __name__.partition(".")[0]
LONGEST_SECONDS = 600.0
MODEST = {"TF_FORCE_GPU_ALLOW_GROWTH": "true"}  # TensorFlow would take all the memory of a GPU


@contextmanager
def fresh_process(spec: ObjectiveSpec) -> Iterator[Executor]:
    """Gives an executor for `submit_load`, whose process starts when it is needed and ends with the block."""
    variables = environment(spec, 1)
    loaded = Preload(libraries(spec), variables)
    with LocalExecutor(1, _begin, (variables | MODEST, process_folder()), loaded=loaded) as process:
        yield process


def submit_load(process: Executor, model_uri: str, tracking_uri: str) -> Future[str]:
    """Has a fresh process load a model and predict its example.

    Returns:
        The future of why that failed, in words; empty if it did not, or the model has no `pyfunc` flavor. It
        raises if it cannot be told: the model is gone by now, the store does not answer, the process died.
    """
    return process.submit(load_once, model_uri, tracking_uri, timeout_s=LONGEST_SECONDS)


def load_once(model_uri: str, tracking_uri: str) -> str:
    """Does what `submit_load` says, and leaves the process good for nothing else."""
    from mlflow_hpo.store import download_model, flavors_of, load_model

    if "python_function" not in flavors_of(model_uri, tracking_uri):
        return ""
    with tempfile.TemporaryDirectory() as folder, silence(), redirect_stdout(io.StringIO()):
        path = download_model(model_uri, tracking_uri, Path(folder))
        _forget_the_users_code()
        try:
            model = load_model("pyfunc", str(path), tracking_uri)
            if model.input_example is not None:
                model.predict(model.input_example)
        except Exception as error:
            return worded(error, whole=False)
    return ""


def _begin(variables: dict[str, str], folder: str) -> None:
    tempfile.tempdir = folder
    os.environ.update(variables)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its driver
    for name in ("mlflow", PACKAGE):
        logging.getLogger(name).setLevel(logging.ERROR)


def _forget_the_users_code() -> None:
    """Leaves to be imported only what a new interpreter finds that nobody told where to look.

    This package is not there either: a server has what the model asks for, and that is not among it.
    """
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    show = "import json, sys; print(json.dumps(sys.path))"
    shown = subprocess.run([sys.executable, "-P", "-c", show], env=without, capture_output=True, check=True)
    sys.path[:] = json.loads(shown.stdout)
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    sys.modules[PACKAGE] = None  # type: ignore[assignment]


def can_be_tried(spec: ObjectiveSpec) -> bool:
    """Tells whether models of a study are made for this process's environment; a project may have its own."""
    if not spec.project:
        return True
    from mlflow_hpo.projects.prepared import Prepared

    return not Prepared.read(spec.project).activate


def failure_line(number: int, reason: str) -> str:
    """Returns the line that says why a trial's model cannot be loaded; empty without a reason."""
    where = "in a fresh process, where your code is not"
    return f"the model of trial {number} cannot be loaded {where}: {reason}" if reason else ""
