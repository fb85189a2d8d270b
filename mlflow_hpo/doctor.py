"""Looks for what breaks studies, before they do; each finding with its remedy."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from mlflow_hpo.errors import StoreError, StudyError
from mlflow_hpo.hardware import machine
from mlflow_hpo.projects import variables
from mlflow_hpo.report.console import print_line
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.store import LATEST, Connection, find_study, health, keys
from mlflow_hpo.store.connection import connection_to

NETWORK = ("nfs", "cifs", "smb", "afs", "sshfs", "9p", "lustre", "gpfs", "glusterfs", "ceph", "beegfs")
LEAST_BYTES = 1 << 30  # free, where no study says how large its models are
MODEL_AND_CHECKPOINT = 2  # a trial's artifacts over its model's
SEEN = "import tensorflow as tf; print('GPUS', len(tf.config.list_physical_devices('GPU')))"
GPU_SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """What is wrong, and what to do about it."""

    what: str
    remedy: str


def examined() -> Iterator[tuple[str, list[Finding] | None]]:
    """Each thing that was looked at, as soon as that is done, with what was found.

    None where it cannot be told, for the store does not answer: which is a finding of its own.
    """
    for name, look in CHECKS.items():
        try:
            found = look()
        except StoreError:
            yield name, None
        else:
            yield name, [found] if found else []


def examine(console: Console) -> None:
    """Prints what was looked at and what was found, each finding with its remedy.

    Raises:
        StudyError: something was found.
    """
    count = 0
    for name, findings in examined():
        word = "?  " if findings is None else "BAD" if findings else "ok "
        print_line(console, f"{word} {name}")
        for finding in findings or []:
            print(f"    {finding.what}\n    remedy: {finding.remedy}")
        count += len(findings or [])
    if count:
        raise StudyError(f"{count} of what breaks studies was found: see above")


def store() -> Finding | None:
    """Whether the tracking store answers, and is of MLflow's version, or can be made."""
    uri = health.named_uri()
    if (file := health.missing_file(uri)) is not None:
        return _unmade(file)
    try:
        connection_to(uri)
    except StoreError as error:
        if health.OUTDATED in str(error):
            return Finding(str(error), f"take a backup, then: mlflow db upgrade {uri}")
        first = "start the server, or " if uri.startswith("http") else ""
        return Finding(str(error), f"{first}name another store: export MLFLOW_TRACKING_URI=...")
    return None


def _unmade(file: Path) -> Finding | None:
    """Whether a SQLite store that does not exist cannot be made."""
    above = _existing(file.parent)
    if above.is_dir() and os.access(above, os.W_OK):
        return None
    return Finding(
        f"SQLite store {file} does not exist, and cannot be made: {above} is no folder to write to",
        "name another store: export MLFLOW_TRACKING_URI=...",
    )


def network_file_system() -> Finding | None:
    """Whether the SQLite file lies where locks cannot be trusted."""
    file = health.sqlite_file(health.named_uri())
    if file is None:
        return None
    kind = file_system(file)
    if not is_network(kind):
        return None
    return Finding(
        f"SQLite store {file} is on a network file system ({kind}), whose locks cannot be trusted",
        "export MLFLOW_TRACKING_URI=sqlite:////a/local/folder/mlflow.db, or run an mlflow server",
    )


def leftover_run() -> Finding | None:
    """Whether a run of another command would be taken for this one's."""
    run = os.environ.get(variables.RUN_ID)
    if not run:
        return None
    return Finding(
        f"{variables.RUN_ID} is {run}: the next search would take that run for its own",
        f"unset {variables.RUN_ID}",
    )


def default_store() -> Finding | None:
    """Whether a folder changed the default store."""
    uri = health.named_uri()
    if not health.is_default_folder(uri):
        return None
    return Finding(
        f"the folder mlruns here makes {uri} the store, which MLflow keeps for old data only, instead of "
        "sqlite:///mlflow.db",
        "export MLFLOW_TRACKING_URI=sqlite:///mlflow.db, or move mlruns away",
    )


def gpu() -> Finding | None:
    """Whether TensorFlow sees the GPU that the machine has."""
    known = machine().get("gpu")
    if not known:
        return None
    command = [sys.executable, "-c", SEEN]
    with suppress(subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=GPU_SECONDS, check=False)
        if any(line.startswith("GPUS ") and line != "GPUS 0" for line in done.stdout.splitlines()):
            return None
    return Finding(
        f"the machine has {known}, but TensorFlow sees no GPU: trials would run on the CPU",
        "pip install 'tensorflow[and-cuda]', and look at CUDA_VISIBLE_DEVICES",
    )


def disk() -> Finding | None:
    """Whether the models that are to be kept have room.

    Raises:
        StoreError: the store does not answer, which alone knows where they go.
    """
    uri, known = health.named_uri(), 0
    folder: Path | None = health.DEFAULT_ARTIFACTS.absolute()
    if health.missing_file(uri) is None:
        connection = connection_to(uri)
        folder, known = health.artifact_folder(connection), bytes_needed(connection)
    if folder is None:
        return None
    needed = max(known, LEAST_BYTES)
    free = shutil.disk_usage(_existing(folder)).free
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
    "no GPU is unseen by TensorFlow": gpu,
    "the models have room": disk,
}


def is_network(kind: str) -> bool:
    """Whether a kind of file system is one over a network."""
    return kind.lower().removeprefix("fuse.").startswith(NETWORK)


def file_system(path: Path) -> str:
    """The kind of the file system that a path is on, or would be."""
    mounts = psutil.disk_partitions(all=True)
    above = [m for m in mounts if path.resolve().is_relative_to(m.mountpoint)]
    return max(above, key=lambda m: len(m.mountpoint)).fstype if above else ""


def bytes_needed(connection: Connection) -> int:
    """The artifacts of a study like the latest one, each as large as its largest; 0 where there is none."""
    try:
        study = find_study(connection, LATEST)
    except StudyError:
        return 0
    sizes = [run.data.metrics.get(keys.MODEL_SIZE, 0) for _, run in study.trials.runs()]
    info = info_of(study)
    kept = min(info.settings.kept_models or info.max_trials, info.max_trials)
    return int(MODEL_AND_CHECKPOINT * kept * max(sizes, default=0))


def _existing(path: Path) -> Path:
    return next(p for p in (path, *path.parents) if p.exists())
