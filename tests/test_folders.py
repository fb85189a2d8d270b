"""Temporary folders of a process that was killed are removed by the next one; those of others stay."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from mlflow_hpo.execution.folders import LOCK, remove_abandoned

OWNER = """
import time
from mlflow_hpo.execution.folders import temporary_folder
folder = temporary_folder()
print(folder.name, flush=True)
time.sleep(600)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def owner(place: Path) -> tuple[subprocess.Popen[str], Path]:
    environment = os.environ | {"TMPDIR": str(place)}
    process = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_only_the_folders_of_the_dead_are_removed(place: Path) -> None:
    (place / "mlflow-hpo-other").mkdir()  # which nobody owned
    (dead, gone), (alive, there) = owner(place), owner(place)
    with dead, alive:
        dead.kill()
        dead.wait()
        assert gone.is_dir()
        remove_abandoned()
        assert not gone.parent.exists()
        assert there.is_dir()
        assert (there.parent / LOCK).exists()
        alive.terminate()
    remove_abandoned()
    assert [file.name for file in place.iterdir()] == ["mlflow-hpo-other"]
