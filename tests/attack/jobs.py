"""Commands as processes of their own, on a store of their own, and what is left of them."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from mlflow.entities import Run
from processes import until
from stores import copied, migrated

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import LATEST, Connection, StudyRun, find_study

GONE_SECONDS = 3  # after which nothing of a driver runs any more
MOST_SECONDS = 300


class Place:
    """A folder with a store, in which commands run.

    Attributes:
        uri: of the store.
        temporary: where the commands' temporary folders lie.
    """

    def __init__(self, folder: Path, store: Path) -> None:
        self.folder, self.temporary = folder, folder / "tmp"
        self.temporary.mkdir(parents=True)
        self.uri = copied(store, folder)

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts a command of mlflow-hpo."""
        return subprocess.Popen(
            [sys.executable, "-m", "mlflow_hpo", *arguments],
            cwd=self.folder,
            env=os.environ | {"MLFLOW_TRACKING_URI": self.uri, "TMPDIR": str(self.temporary)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def ended(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        with self.begin(*arguments) as process:
            out, err = process.communicate(timeout=MOST_SECONDS)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    @property
    def study(self) -> StudyRun | None:
        """The newest study."""
        try:
            return find_study(Connection(self.uri), LATEST)
        except StudyError:
            return None

    def running(self) -> list[Run]:
        """The runs that are RUNNING."""
        return list(
            Connection(self.uri).runs(["0"], "attributes.status = 'RUNNING'", "attributes.start_time")
        )

    def check_processes(self) -> None:
        """Asserts that nothing is left of a command that ended."""
        check_processes(self.uri)

    def check_folders(self) -> None:
        """Asserts that no temporary folder is left."""
        check_folders(self.temporary)


def check_processes(uri: str) -> None:
    """Asserts that nothing runs any more that was started for a store, by whomever."""
    until(lambda: not _processes(uri), GONE_SECONDS)
    left = [" ".join(p.cmdline())[:80] for p in _processes(uri)]
    assert not left, f"left running: {left}"


def check_folders(temporary: Path) -> None:
    """Asserts that nothing is left in a folder for temporary files."""
    left = [file.name for file in temporary.iterdir() if not file.name.startswith("db_init_lock")]
    assert not left, f"left in the temporary folder: {left}"


def _processes(uri: str) -> list[psutil.Process]:
    return [p for p in psutil.process_iter() if p.pid != os.getpid() and _is_of_store(p, uri)]


def _is_of_store(process: psutil.Process, uri: str) -> bool:
    try:
        is_its = process.environ().get("MLFLOW_TRACKING_URI") == uri
        return is_its and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


@contextmanager
def places() -> Iterator[Callable[[str], Place]]:
    """Gives a function that makes a place in a folder of a name."""
    with tempfile.TemporaryDirectory(prefix="attack-", dir=_memory(), ignore_cleanup_errors=True) as root:
        store = migrated(Path(root))
        yield lambda name: Place(Path(root, name), store)


def _memory() -> str | None:
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
