"""What runs on a host for a slot: a local executor with one worker, and the files that it was sent."""

import io
import os
import pickle
import shutil
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import CancelledError, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any

from mlflow_hpo.errors import StudyError
from mlflow_hpo.execution.devices import environment
from mlflow_hpo.execution.engine import About, Order, about
from mlflow_hpo.execution.folders import process_folder
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.hardware import visible_gpus

KEPT_SECONDS = 7 * 24 * 3600.0  # a host forgets what no study has used for so long


class SlotServer:
    """Serves one slot; its methods may be called by several threads at a time."""

    def __init__(self) -> None:
        """Starts nothing before `open`."""
        self._lock = threading.Lock()
        self._executor: LocalExecutor | None = None
        self._futures: dict[int, Future[Any]] = {}
        self._cancelled: set[int] = set()

    def about(self) -> About:
        """Describes the host."""
        return about()

    def missing(self, digests: tuple[str, ...]) -> list[str]:
        """Tells which contents the host does not have yet."""
        folder = _contents()
        for file in (folder / digest for digest in digests):
            with suppress(OSError):
                os.utime(file)  # it is in use
        return [digest for digest in digests if not (folder / digest).is_file()]

    def put(self, digest: str, piece: bytes, sender: str, is_last: bool) -> None:
        """Takes a piece of a content; with the last one it is there."""
        part = _contents() / f"{digest}.{sender}"
        with part.open("ab") as file:
            file.write(piece)
        if is_last:
            part.replace(part.with_name(digest))

    def open(self, order: bytes, is_here: bool, number: int) -> None:
        """Begins to start the worker.

        Args:
            order: an `Order`, pickled.
            is_here: the host is the driver's.
            number: see `Slot`.
        """
        asked: Order = pickle.loads(order)
        os.environ.update(asked.environment)
        contents = Path(asked.contents) if is_here else _contents()
        folder = Path(asked.folder) if is_here else _unpacked(contents, asked.archive)
        os.chdir(folder)
        if is_here:
            sys.path[:] = asked.path
        own = (process_folder(), str(contents)) if asked.initializer else ()
        initargs, gpus = (*asked.initargs, *own), asked.gpus
        variables = {} if gpus is None else environment(visible_gpus(), number, gpus)
        executor = LocalExecutor(1, asked.initializer, initargs, loaded=asked.loaded, variables=[variables])
        self._executor = executor.start()

    def run(self, number: int, payload: bytes, timeout_s: float | None) -> bytes:
        """Runs a function in the worker.

        Args:
            payload: the function and its arguments, pickled.

        Returns:
            What `outcome` reads.
        """
        with self._lock:
            if number in self._cancelled or self._executor is None:
                return _cancelled()
            future = self._executor.submit(run_payload, payload, timeout_s=timeout_s)
            self._futures[number] = future
        wait([future])  # a cancelled one until its worker is gone
        del self._futures[number]
        return _told(future)

    def cancel(self, number: int) -> None:
        """Ends the worker that runs a unit, or keeps the unit from being run."""
        with self._lock:
            self._cancelled.add(number)
            future = self._futures.get(number)
        if future:
            future.cancel()

    def close(self) -> None:
        """Ends the worker."""
        with self._lock:
            executor, self._executor = self._executor, None
        if executor:
            executor.shutdown()


def run_payload(payload: bytes) -> bytes:
    """Calls a pickled function, in the worker; returns the result, pickled."""
    import cloudpickle

    fn, args = pickle.loads(payload)
    result: bytes = cloudpickle.dumps(fn(*args))
    return result


def packed(fn: Any, args: tuple[Any, ...]) -> bytes:
    """Returns a payload for `SlotServer.run`."""
    import cloudpickle

    payload: bytes = cloudpickle.dumps((fn, args))
    return payload


def outcome(told: bytes) -> Any:
    """Returns what a unit returned, or raises what it raised, in the driver."""
    result, error, cause = pickle.loads(told)
    if error is not None:
        raise error from (RemoteError(cause) if cause else None)
    return pickle.loads(result)


class RemoteError(Exception):
    """Where on a host an error arose: a traceback, as text."""


def _told(future: Future[Any]) -> bytes:
    if future.cancelled():
        return _cancelled()
    error = future.exception()
    if error is None:
        return pickle.dumps((future.result(), None, ""))
    cause = str(error.__cause__ or "")
    try:
        told = pickle.dumps((b"", error, cause))
        pickle.loads(told)
    except Exception:  # whatever the user's class raises
        return pickle.dumps((b"", StudyError(f"{type(error).__name__}: {error}"), cause))
    return told


def _cancelled() -> bytes:
    return pickle.dumps((b"", CancelledError(), ""))


def _contents() -> Path:
    """Returns the host's folder of contents, without those that are no longer used."""
    folder = Path(tempfile.gettempdir(), f"mlflow-hpo-contents-{os.getuid()}")
    folder.mkdir(0o700, exist_ok=True)
    known = folder.lstat()
    if known.st_uid != os.getuid() or known.st_mode & 0o077:
        raise StudyError(f"{folder} is not this user's alone")
    for old in folder.iterdir():
        with suppress(OSError):
            if time.time() - old.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(old) if old.is_dir() else old.unlink()
    return folder


def _unpacked(contents: Path, archive: str) -> Path:
    """Returns a folder of this process with the files of an archive."""
    folder = Path(tempfile.mkdtemp(dir=process_folder()))
    if archive:
        with tarfile.open(fileobj=io.BytesIO((contents / archive).read_bytes())) as files:
            files.extractall(folder, filter="data")
    return folder
