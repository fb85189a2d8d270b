"""A checkpoint comes back as it was left; one that is lost and one that cannot be had now are two things."""

from pathlib import Path

import pytest

from mlflow_hpo.errors import StoreError, TrialError
from mlflow_hpo.store import Connection, checkpoints


@pytest.fixture
def run_id(connection: Connection, experiment: str) -> str:
    return str(connection.client.create_run(experiment).info.run_id)


def folder(path: Path, **files: str) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.iterdir())


def test_it_comes_back(connection: Connection, run_id: str, tmp_path: Path) -> None:
    left = folder(tmp_path / "left", weights="1 2 3")
    folder(left / "checkpoints", last="4")
    checkpoints.put(connection, run_id, 3, left)
    checkpoints.get(connection, run_id, 3, folder(tmp_path / "found"))
    assert names(tmp_path / "found") == ["checkpoints", "weights"]
    assert (tmp_path / "found" / "checkpoints" / "last").read_text() == "4"
    assert (tmp_path / "found" / "weights").read_text() == "1 2 3"


def test_an_empty_one_is_there_and_empty(connection: Connection, run_id: str, tmp_path: Path) -> None:
    """An artifact store that knows files only has nothing to keep of an empty folder."""
    checkpoints.put(connection, run_id, 3, folder(tmp_path / "left"))
    assert connection.client.list_artifacts(run_id, "checkpoints/epoch-00003")
    checkpoints.get(connection, run_id, 3, folder(tmp_path / "found"))
    assert names(tmp_path / "found") == []
    checkpoints.put(connection, run_id, 9, tmp_path / "found")
    checkpoints.get(connection, run_id, 9, folder(tmp_path / "again"))
    assert names(tmp_path / "again") == []


def test_one_that_is_lost_fails_its_trial(connection: Connection, run_id: str, tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=f"checkpoint of run {run_id} at epoch 3 cannot be read"):
        checkpoints.get(connection, run_id, 3, folder(tmp_path / "found"))


def test_one_that_is_there_and_cannot_be_had_is_the_stores_fault(
    connection: Connection, run_id: str, tmp_path: Path
) -> None:
    left = folder(tmp_path / "left", weights="1 2 3")
    checkpoints.put(connection, run_id, 3, left)
    stored = tmp_path / "artifacts" / run_id / "artifacts" / "checkpoints" / "epoch-00003" / "weights"
    stored.unlink()
    stored.symlink_to(tmp_path / "nowhere")
    with pytest.raises(StoreError, match=f"checkpoint of run {run_id} at epoch 3 cannot be read"):
        checkpoints.get(connection, run_id, 3, folder(tmp_path / "found"))
