"""A project from a git repository is fetched once for a study, and a resume finds the same commit."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from plans import make_info
from project_folders import project

from mlflow_hpo.projects.spec import given_project
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import read_settings
from mlflow_hpo.study.source import Given, Source, find_source

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


def found(folder: Path, record: StudyInfo | None = None, **more: str) -> Source:
    """The project as a study has it that begins now, or goes on."""
    project = given_project(f"{AWAY}#below", env_manager="local", **more)
    settings = read_settings({"project": project, "metric": "loss"})
    folder.mkdir()
    return find_source(settings, Given(folder, space_text="x: [1, 2]", record=record))


def command(source: Source) -> str:
    assert source.project is not None
    return source.project.command({"x": 1})


def test_a_resume_has_the_code_that_the_study_began_with(repository: Path, tmp_path: Path) -> None:
    began = git(repository, "rev-parse", "HEAD")
    source = found(tmp_path / "first")
    assert command(source) == "echo first 1.0"
    assert source.tags["mlflow.source.git.commit"] == began
    assert source.tags["mlflow.source.name"] == f"{AWAY}#below"
    assert source.commit == began
    file = repository / "below" / "MLproject"
    file.write_text(file.read_text().replace("first", "second"))
    commit(repository)
    record = replace(make_info({}), commit=source.commit)
    assert command(found(tmp_path / "again", record)) == "echo first 1.0"
    assert command(found(tmp_path / "newer")) == "echo second 1.0"


def test_a_version_names_a_branch(repository: Path, tmp_path: Path) -> None:
    git(repository, "checkout", "-q", "-b", "other")
    file = repository / "below" / "MLproject"
    file.write_text(file.read_text().replace("first", "other"))
    commit(repository)
    git(repository, "checkout", "-q", "trunk")
    assert command(found(tmp_path / "other", version="other")) == "echo other 1.0"
