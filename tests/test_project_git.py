"""A project from a git repository is fetched once for a study, and a resume finds the same commit."""

import subprocess
from pathlib import Path

import pytest
from project_folders import project

from mlflow_hpo.projects import given_project
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.ready import Ready, ready
from mlflow_hpo.settings import Settings, make_settings

AWAY = "https://example.invalid/repository"  # git is told to look for it in a folder


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    project(folder / "below", {}, "x: float", "echo first {x}")
    git(folder, "init", "-q", "-b", "trunk")
    commit(folder)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", f"url.file://{folder}.insteadOf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", AWAY)
    return folder


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "more")
    return git(folder, "rev-parse", "HEAD")


def asked(**more: str) -> Settings:
    uri = f"{AWAY}#below"
    return make_settings({"project": given_project(uri, env_manager="local", **more), "metric": "loss"})


def command(found: Ready) -> str:
    return Prepared.read(found.places["project"]).command({"x": 1})


def test_a_resume_has_the_code_that_the_study_began_with(repository: Path) -> None:
    began = git(repository, "rev-parse", "HEAD")
    with ready(asked(), "x: [1, 2]") as found:
        recorded = found.settings.dump()
        assert command(found) == "echo first 1"
        assert found.tags["mlflow.source.git.commit"] == began
        assert found.tags["mlflow.source.name"] == f"{AWAY}#below"
    assert recorded["project"]["version"] == began
    file = repository / "below" / "MLproject"
    file.write_text(file.read_text().replace("first", "second"))
    commit(repository)
    with ready(make_settings(recorded), "x: [1, 2]") as again:
        assert command(again) == "echo first 1"
    with ready(asked(), "x: [1, 2]") as newer:
        assert command(newer) == "echo second 1"


def test_a_version_names_a_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "-b", "other")
    file = repository / "below" / "MLproject"
    file.write_text(file.read_text().replace("first", "other"))
    commit(repository)
    git(repository, "checkout", "-q", "trunk")
    with ready(asked(version="other"), "x: [1, 2]") as found:
        assert command(found) == "echo other 1"
