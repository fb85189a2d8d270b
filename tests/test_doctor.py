"""What breaks studies is found, and each finding says what to do."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import hpo, hpo_process

from mlflow_hpo import doctor
from mlflow_hpo.store import health
from mlflow_hpo.store.connection import connection_to


@pytest.fixture
def own(tmp_path: Path, new_store: Callable[[Path], str]) -> str:
    return new_store(tmp_path)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    connection_to.cache_clear()


def test_where_nothing_is_wrong_it_says_so(own: str) -> None:
    done = hpo_process(own, "doctor")
    lines = done.stdout.splitlines()
    found = [line for line in lines if line.startswith("BAD") and "GPU" not in line]
    assert not found, done.stdout
    assert lines[0] == "ok  the tracking store answers"
    assert sum(line.startswith(("ok ", "BAD ")) for line in lines) == len(doctor.CHECKS)


def test_a_store_that_does_not_answer_and_a_left_over_run_end_with_status_1() -> None:
    done = hpo("http://127.0.0.1:9", "doctor", MLFLOW_RUN_ID="abc")
    assert done.returncode == 1
    assert "BAD the tracking store answers" in done.stdout
    assert "MLFLOW_RUN_ID is abc" in done.stdout
    assert "remedy: unset MLFLOW_RUN_ID" in done.stdout
    assert "of what breaks studies was found" in done.stderr
    assert "remedy: start the server, or name another store" in done.stdout
    assert "?   the models have room" in done.stdout  # which only the store could tell


def test_a_store_that_does_not_exist_yet_is_none_to_make(tmp_path: Path) -> None:
    done = hpo(f"sqlite:///{tmp_path}/new/mlflow.db", "doctor")
    assert done.stdout.splitlines()[0] == "ok  the tracking store answers"
    assert not list(tmp_path.iterdir())


def test_a_store_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    uri = f"sqlite:///{tmp_path}/file/mlflow.db"
    done = hpo(uri, "doctor")
    assert done.returncode == 1
    assert (
        f"{tmp_path}/file/mlflow.db does not exist, and cannot be made: {tmp_path}/file is no" in done.stdout
    )
    assert "start the server" not in done.stdout


def test_a_store_of_another_version_is_to_be_upgraded(own: str) -> None:
    with sqlite3.connect(own.removeprefix("sqlite:///")) as database:
        database.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    done = hpo(own, "doctor")
    assert done.returncode == 1
    assert f"mlflow db upgrade {own}" in done.stdout


def test_a_folder_mlruns_that_changes_the_default_store_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default")
    assert health.is_default_folder((tmp_path / "mlruns").as_uri())
    assert not health.is_default_folder("sqlite:///mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "mlruns").as_uri())
    assert not health.is_default_folder((tmp_path / "mlruns").as_uri())  # somebody wants it


@pytest.mark.parametrize(
    ("kind", "found"), [("nfs4", True), ("fuse.sshfs", True), ("cifs", True), ("ext4", False)]
)
def test_file_systems_over_a_network_are_known(kind: str, found: bool) -> None:
    assert health.is_network(kind) == found


def test_the_kind_of_a_file_system_is_that_of_the_nearest_mount() -> None:
    assert health.file_system(Path("/proc/self/status")) == "proc"


def test_too_little_disk_is_said_in_gigabytes(own: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", own)
    assert doctor.disk() is None
    monkeypatch.setattr(doctor, "LEAST_BYTES", 1 << 60)
    finding = doctor.disk()
    assert finding is not None
    assert "GB free, and a study like the latest needs 1152921504.6 GB" in finding.what
