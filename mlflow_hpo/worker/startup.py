"""Prepares a worker process, and turns what is raised in it into errors that the driver can read.

The module imports nothing heavy at its top: a process sets its threads before NumPy and TensorFlow
are loaded, and unpickling a function loads the module it lives in.
"""

from __future__ import annotations

import errno
import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGINT, default_int_handler, getsignal
from typing import TYPE_CHECKING

from mlflow_hpo.errors import DataError, HpoError, Stopped, StoreError, TrialError, worded
from mlflow_hpo.execution.preload import loaded_with, silence
from mlflow_hpo.user_code import use_contents

if TYPE_CHECKING:
    from mlflow_hpo.data import Data
    from mlflow_hpo.objectives.spec import ObjectiveSpec

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
OF_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.ESTALE)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "MLFLOW_LOGGING_LEVEL": "ERROR"}


def environment(spec: ObjectiveSpec, threads: int) -> dict[str, str]:
    """Returns what to set in a process before it loads a library; a project's process inherits it."""
    quiet = {} if spec.project else {name: os.environ.get(name, level) for name, level in QUIET.items()}
    return dict.fromkeys(THREADS, str(threads)) | quiet


def warm_up(
    spec: ObjectiveSpec, threads: int, folder: str | None = None, contents: str | None = None
) -> None:
    """Prepares a fresh worker process: its environment, imports and data.

    Args:
        folder: where temporary files go; the caller removes it when the workers are gone.
        contents: where what Python gave lies, see `user_code`.
    """
    tempfile.tempdir = folder
    if contents:
        use_contents(Path(contents))
    os.environ.update(environment(spec, threads))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("mlflow", "mlflow_hpo"):
        logging.getLogger(name).setLevel(logging.ERROR)  # the terminal is the driver's
    load(spec)
    _limit_threads(threads)
    gc.freeze()  # what the imports made stays: a collection between trials need not look at it


def load(spec: ObjectiveSpec) -> None:
    """Loads what units of this spec need, in any process, and changes nothing else in it.

    The first unit meets the errors again, and can tell them.
    """
    with silence(), suppress(Exception):
        import mlflow_hpo.store  # noqa: F401 (the import is what is wanted)
        from mlflow_hpo.hardware import machine
        from mlflow_hpo.objectives.find import find_objective

        find_objective(spec).warm_up()
        machine()
        data_of(spec)


@contextmanager
def own_errors() -> Iterator[None]:
    """Turns whatever is raised into one of our errors.

    Those of MLflow and its database become StoreError; the user's own calls of them belong in `user_errors`.
    """
    from mlflow_hpo.store import store_errors

    with user_errors(), store_errors(files=False):
        yield


@contextmanager
def user_errors(what: str = "", kind: type[HpoError] = TrialError) -> Iterator[None]:
    """Turns whatever the user's code raises into one of our errors, led by what was being done.

    An exception of TensorFlow's could not be unpickled without importing TensorFlow into the driver.

    Args:
        kind: the error; also in place of a trial's, which is to end more than a trial.
    """
    try:
        yield
    except Stopped:
        raise
    except HpoError as error:
        if isinstance(error, TrialError) and kind is not TrialError:
            raise kind(f"{what}{error}") from error
        raise
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and getsignal(SIGINT) is default_int_handler:
            raise  # a Ctrl-C, in the process of the search: workers ignore it
        if _is_stores(error):
            raise StoreError(what + worded(error, whole=False)) from error
        raise kind(what + worded(error, whole=False)) from error


def _is_stores(error: BaseException) -> bool:
    """Tells whether the next trials would meet an error, too: a disk is full, or the store is away."""
    if "mlflow.exceptions" in sys.modules:
        from mlflow_hpo.store.patience import is_outage

        if is_outage(error):
            return True
    return isinstance(error, OSError) and error.errno in OF_THE_DISK


def data_of(spec: ObjectiveSpec) -> Data | None:
    """Loads the spec's data; returns None if it has none."""
    from mlflow_hpo.data import load_data

    if not spec.data.name:
        return None
    with user_errors(f"{spec.data.title} cannot be loaded: ", DataError):  # for no trial
        return load_data(spec.data)


def _limit_threads(threads: int) -> None:
    """Sets the number of threads in libraries that were loaded for a study with another one."""
    if loaded_with.get(THREADS[0], str(threads)) != str(threads):
        from threadpoolctl import threadpool_limits

        threadpool_limits(threads)
