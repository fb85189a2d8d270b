"""Checks for what breaks studies, and says what to do about it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from mlflow_hpo.errors import DamagedError, StoreError, StudyError
from mlflow_hpo.hardware import machine
from mlflow_hpo.projects import variables
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.store import LATEST, Connection, StudyRun, find_study, health, keys
from mlflow_hpo.store.connection import connection_to
from mlflow_hpo.store.studies import all_studies

LEAST_BYTES = 1 << 30  # free, where no study says how large its models are
MODEL_AND_CHECKPOINT = 2  # a trial's artifacts, in sizes of its model
COUNT_GPUS = "import tensorflow as tf; print('GPUS', len(tf.config.list_physical_devices('GPU')))"
GPU_SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """A problem and its remedy."""

    what: str
    remedy: str


def examine(console: Console) -> None:
    """Prints every check and its finding, with its remedy.

    Raises:
        StudyError: a check found something.
    """
    count = 0
    for name, check in CHECKS.items():
        try:
            finding = check()
        except StoreError:  # which is a finding of the first check
            print_line(console, f"?   {name}")
            continue
        print_line(console, f"{'BAD' if finding else 'ok '} {name}")
        if finding:
            print_line(console, f"    {finding.what}\n    remedy: {finding.remedy}")
            count += 1
    if count:
        raise StudyError(f"{count} of what breaks studies was found: see above")


def store() -> Finding | None:
    """Finds a store that does not answer, is of another version of MLflow, or cannot be made."""
    uri = health.named_uri()
    if (file := health.missing_file(uri)) is not None:
        return _unwritable(file)
    try:
        connection_to(uri, patient=False)
    except StoreError as error:
        if health.OUTDATED in str(error):
            return Finding(str(error), f"take a backup, then: mlflow db upgrade {uri}")
        first = "start the server, or " if uri.startswith("http") else ""
        return Finding(str(error), f"{first}name another store: export MLFLOW_TRACKING_URI=...")
    return None


def _unwritable(file: Path) -> Finding | None:
    """Finds a SQLite store that does not exist and cannot be made."""
    above = _existing(file.parent)
    if above.is_dir() and os.access(above, os.W_OK):
        return None
    return Finding(
        f"SQLite store {file} does not exist, and cannot be made: {above} is no folder to write to",
        "name another store: export MLFLOW_TRACKING_URI=...",
    )


def network_file_system() -> Finding | None:
    """Finds a SQLite file on a file system whose locks cannot be trusted."""
    file = health.sqlite_file(health.named_uri())
    kind = health.file_system(file) if file else ""
    if not health.is_network(kind):
        return None
    return Finding(
        f"SQLite store {file} is on a network file system ({kind}), whose locks cannot be trusted",
        "export MLFLOW_TRACKING_URI=sqlite:////a/local/folder/mlflow.db, or run an mlflow server",
    )


def leftover_run() -> Finding | None:
    """Finds a run that `mlflow run` left in the environment: a search would take it for its own."""
    if not (run_id := os.environ.get(variables.RUN_ID)):
        return None
    what = f"{variables.RUN_ID} is {run_id}: the next search would take that run for its own"
    return Finding(what, f"unset {variables.RUN_ID}")


def default_store() -> Finding | None:
    """Finds a folder that changes the default store."""
    uri = health.named_uri()
    if not health.is_default_folder(uri):
        return None
    return Finding(
        f"the folder mlruns here makes {uri} the store, which MLflow keeps for old data only, instead of "
        "sqlite:///mlflow.db",
        "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db, or move mlruns away",
    )


def damaged_tags() -> Finding | None:
    """Finds studies and trials whose tags do not hold what was written there.

    Raises:
        StoreError: the store does not answer.
    """
    uri = health.named_uri()
    if health.missing_file(uri) is not None:
        return None
    lines = [line for study in all_studies(connection_to(uri, patient=False)) for line in damage(study)]
    if not lines:
        return None
    return Finding(
        "\n    ".join(lines), "MlflowClient().set_tag(RUN, TAG, VALUE), or mlflow runs delete --run-id RUN"
    )


def damage(study: StudyRun) -> list[str]:
    """Returns a line for each run of a study whose tags are damaged."""
    if lines := study.damage():
        return lines
    try:
        info_of(study)
    except DamagedError as error:
        return [str(error)]
    return []


def gpu() -> Finding | None:
    """Finds a GPU that TensorFlow does not see."""
    if not (device := machine().get("gpu")):
        return None
    command = [sys.executable, "-c", COUNT_GPUS]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS, check=False)
        if any(line.startswith("GPUS ") and line != "GPUS 0" for line in done.stdout.splitlines()):
            return None
    return Finding(
        f"the machine has {device}, but TensorFlow sees no GPU: trials would run on the CPU",
        "pip install 'tensorflow[and-cuda]', and look at CUDA_VISIBLE_DEVICES",
    )


def disk() -> Finding | None:
    """Finds too little room for the models that a study keeps.

    Raises:
        StoreError: the store does not answer, which alone knows where they go.
    """
    uri, needed = health.named_uri(), 0
    folder: Path | None = health.DEFAULT_ARTIFACTS.absolute()
    if health.missing_file(uri) is None:
        connection = connection_to(uri, patient=False)
        folder, needed = health.artifact_folder(connection), bytes_needed(connection)
    if folder is None:
        return None
    free, needed = shutil.disk_usage(_existing(folder)).free, max(needed, LEAST_BYTES)
    if free >= needed:
        return None
    return Finding(
        f"{folder} has {free / 1e9:.1f} GB free, and a study like the latest needs {needed / 1e9:.1f} GB",
        "make room, or give --keep-models best",
    )


CHECKS: dict[str, Callable[[], Finding | None]] = {
    "the tracking store answers": store,
    "its file is on a local file system": network_file_system,
    f"no {variables.RUN_ID} is left": leftover_run,
    "no folder mlruns changes the default store": default_store,
    "the tags of the studies are whole": damaged_tags,
    "no GPU is unseen by TensorFlow": gpu,
    "the models have room": disk,
}


def bytes_needed(connection: Connection) -> int:
    """Returns the size that a study like the latest one needs; 0 if there is none that can be read."""
    try:
        study = find_study(connection, LATEST, any_user=True)
        sizes = [run.data.metrics.get(keys.MODEL_SIZE, 0) for _, run in study.trials.runs()]
        info = info_of(study)
    except StudyError:
        return 0
    kept = min(info.settings.kept_models or info.max_trials, info.max_trials)
    return int(MODEL_AND_CHECKPOINT * kept * max(sizes, default=0))


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
