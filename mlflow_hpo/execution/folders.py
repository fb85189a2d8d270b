"""Temporary folders of this process, in one that is locked while it lives: what a dead one left is removed.

A lock says whether the owner lives, in another container too; process ids are used again.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO

from mlflow_hpo.errors import StoreError

PREFIX = "mlflow-hpo-"  # how the names of temporary folders begin; the owner's process id follows
LOCK = "owner.lock"
_locks: list[IO[bytes]] = []  # held until this process ends, however it does


def temporary_folder() -> "tempfile.TemporaryDirectory[str]":
    """Makes a temporary folder, removed when it is cleaned up or, if this process dies, by another one."""
    return tempfile.TemporaryDirectory(dir=process_folder(), ignore_cleanup_errors=True)


def process_folder() -> str:
    """Returns the folder of this process, which is removed when it ends.

    Raises:
        StoreError: no folder can be made: the disk is full, or may not be written to.
    """
    try:
        folder = _owned(os.getpid()).name
        if not Path(folder).is_dir():  # whoever cleans up what is old took it away
            _owned.cache_clear()
            folder = _owned(os.getpid()).name
        return folder
    except OSError as error:
        raise StoreError(f"temporary files can be kept nowhere: {error}; name a folder by TMPDIR") from error


@cache
def _owned(pid: int) -> "tempfile.TemporaryDirectory[str]":
    remove_abandoned()
    folder = tempfile.TemporaryDirectory(prefix=f"{PREFIX}{pid}-", ignore_cleanup_errors=True)
    file = Path(folder.name, "new")
    lock = file.open("wb")
    _locks.append(lock)
    _is_locked_now(lock)
    file.rename(file.with_name(LOCK))  # nobody finds it unlocked
    return folder


def remove_abandoned() -> None:
    """Removes the folders of this user's processes that have ended without doing so."""
    try:
        files = list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"))
    except OSError:  # a full disk, on which nothing can be looked for
        return
    for file in files:
        with suppress(OSError):
            if _is_abandoned(file) and file.parent.lstat().st_uid == os.getuid():
                shutil.rmtree(file.parent, ignore_errors=True)


def _is_abandoned(file: Path) -> bool:
    with file.open("rb") as lock:
        return _is_locked_now(lock)


def _is_locked_now(lock: IO[bytes]) -> bool:
    """Locks a file until it is closed; tells whether that was possible."""
    try:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True
