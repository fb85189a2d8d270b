"""A password in the address of a store, a proxy or a project is shown to nobody and stored nowhere."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import psutil
import pytest
from conftest import hpo, one_line_error, run_command
from drivers import family
from stores import copied, migrated
from test_mlflow_run import wait_for
from test_project_git import AWAY, found, repository  # noqa: F401 (a fixture)

from mlflow_hpo import errors
from mlflow_hpo.errors import ConfigError, StoreError, without_passwords, without_secrets
from mlflow_hpo.projects.credentials import bare_address
from mlflow_hpo.report.next_commands import see_commands

SECRET = "s3cret"
SCRIPT = f"""
import os, sys, mlflow_hpo

def loss(config):
    if config["x"] > 1:
        raise ValueError(f"no answer from {{os.environ['MLFLOW_TRACKING_URI']}}/?token={SECRET[:3]}" "cret")
    return config["x"]

study = mlflow_hpo.tune(loss, {{"x": [1, 2]}}, max_trials=2, workers=1)
mlflow_hpo.tune(loss, {{"x": [1, 2]}}, resume=study.run_id, max_trials=2)
sys.exit(not study.trials)
"""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://me:s3cret@host:5000/#/x", "http://***@host:5000/#/x"),
        ("https://s3cret@github.com/a/b.git@main", "https://***@github.com/a/b.git@main"),
        ("https://s3cret:x-oauth-basic@host and http://me:s3cret@b", "https://***@host and http://***@b"),
        ("'http://me:s3/s3cret?#@host/x'", "'http://***@host/x'"),
        ("postgresql+psycopg2://me:s3@s3/cret@host:5432/db", "postgresql+psycopg2://me:***@host:5432/db"),
        ("mysql://u:s3cret@h/db?password=s3cret&a=1", "mysql://u:***@h/db?password=***&a=1"),
        ("https://h/c?sv=1&sig=s3%2Fcret&se=2;token=s3cret", "https://h/c?sv=1&sig=***&se=2;token=***"),
        *((same, same) for same in ("http://127.0.0.1:5000/a@b", "postgresql://me@host/db", "models:/a@b")),
        *((same, same) for same in ("sqlite:////tmp/a@b.db", "git@github.com:a/b", "tokens=512 a@b")),
    ],
)
def test_what_is_secret_in_an_address(text: str, shown: str) -> None:
    assert without_passwords(text) == shown
    assert without_passwords(shown) == shown


def test_no_long_text_takes_long() -> None:
    for part in ("a=1://", "://a:b", "a:b@", "?token", "http://x/y?z=1&", "password=", "'token': ", "_TOKEN"):
        assert without_secrets("://" + part * 100_000)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("connect(password='s3 cret', x=1)", "connect(password=***, x=1)"),
        ('{"password": "s3cret", "a": 1}', '{"password": ***, "a": 1}'),
        ("MLFLOW_TRACKING_TOKEN=s3cret", "MLFLOW_TRACKING_TOKEN=***"),
        ("{'Authorization': 'Basic s3cret'}", "{'Authorization': 'Basic ***'}"),
        ("me:pr0xy-s3cret@proxy:3128 refused", "***@proxy:3128 refused"),
        ("the password s3 cr@et<x of me", "the password *** of me"),
        ("postgresql://me:s3 cr%40et<x@h/db", "postgresql://me:***@h/db"),
        ("403: t0ken-s3cret.", "403: ***."),
        *(
            (same, same)
            for same in ("token: expected a list", "pad_token=unk", "a hunter", "t0ken-s3cretive")
        ),
    ],
)
def test_what_is_secret_in_a_text_for_people(text: str, shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store's address has a password with blanks, as databases take it; and there are others about."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:s3 cr%40et<x@h/db")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken-s3cret")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hunt")  # too short to be told from words
    monkeypatch.setenv("https_proxy", "me:pr0xy-s3cret@proxy:3128")
    errors._known.cache_clear()
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
    assert str(StoreError(text)) == shown
    errors._known.cache_clear()


@pytest.mark.parametrize("text", ["pad_token=unknown", '{"pad_token": "unknown", "secret": "1"}'])
def test_a_hyperparameter_may_be_called_a_secret(text: str) -> None:
    assert without_secrets(text, named=False) == text


@contextmanager
def served(folder: Path) -> Iterator[int]:
    """A tracking server whose files lie in the folder; it takes any password."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    store = copied(migrated(folder), folder)
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", store, "--artifacts-destination", str(folder / "artifacts")]
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield port
    finally:
        for process in family(server.pid):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        server.wait()


@contextmanager
def command_lines() -> Iterator[set[str]]:
    """All that show themselves meanwhile, of processes below this one."""
    seen, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for process in psutil.Process().children(recursive=True):
                with suppress(psutil.Error):
                    seen.add(" ".join(process.cmdline()))

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def holders(folder: Path) -> list[str]:
    """The files that hold the secret."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    return [file.name for file in files if SECRET.encode() in file.read_bytes()]


def test_a_study_with_a_server_shows_and_stores_no_password(tmp_path: Path) -> None:
    (tmp_path / "served").mkdir()
    (tmp_path / "script.py").write_text(SCRIPT)
    with served(tmp_path / "served") as port, command_lines() as lines:
        uri = f"http://me:{SECRET}@127.0.0.1:{port}"
        tuned = run_command([sys.executable, str(tmp_path / "script.py")], uri, tmp_path)
        page = hpo(uri, "report", "--html", str(tmp_path / "page.html"))
        ranked = [hpo(uri, "report", "--format", style) for style in ("csv", "json", "markdown")]
        lost = hpo(uri, "report", "nobody")
    assert tuned.returncode == 0, tuned.stderr
    assert "no study 'nobody' in http://***@127.0.0.1" in one_line_error(lost)
    assert "export MLFLOW_TRACKING_URI='http://***@127.0.0.1" in tuned.stdout
    assert "no answer from http://***@" in tuned.stdout
    for done in (tuned, page, lost, *ranked):
        assert SECRET not in done.stdout + done.stderr
    assert any("resource_tracker" in line or "forkserver" in line or "-c" in line for line in lines)
    assert not [line for line in lines if SECRET in line]
    assert "http://***@127.0.0.1" in (tmp_path / "page.html").read_text()
    assert not holders(tmp_path / "served")
    assert SECRET not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    "uri",
    [
        f"http://me:{SECRET}@127.0.0.1:9",
        f"http://me:{SECRET}/x@127.0.0.1:9",
        f"http://me:{SECRET}@[::1:9",
        f"postgresql://me:{SECRET}@127.0.0.1:9/db",
        f"nothing://me:{SECRET}@127.0.0.1:9/db",
        f"mssql+nothing://me:{SECRET}@127.0.0.1:9/db",
    ],
)
def test_a_store_that_does_not_answer_is_named_without_its_password(uri: str) -> None:
    said = one_line_error(hpo(uri, "report"))
    assert SECRET not in said
    assert "***" in said


def test_the_commands_to_see_a_study_say_what_is_left_out() -> None:
    [(purpose, command), _] = see_commands("postgresql://me:s3cret@host/db", "1", "2")
    assert purpose == "name the tracking store (*** stands for its password)"
    assert command == "export MLFLOW_TRACKING_URI='postgresql://me:***@host/db'"


def test_git_is_given_a_projects_password_by_its_environment() -> None:
    asked: list[str] = []

    class Recording(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.headers.get("Authorization", ""))
            self.send_error(404)

        def log_message(self, *words: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Recording) as server, command_lines() as lines:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        before = dict(os.environ)
        with bare_address(f"http://me:{SECRET}@127.0.0.1:{server.server_port}/a#b") as bare:
            assert bare == f"http://127.0.0.1:{server.server_port}/a#b"
            command = ["git", "ls-remote", bare.partition("#")[0]]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
        server.shutdown()
    assert asked[0] == "Basic bWU6czNjcmV0", done.stderr
    assert not [line for line in lines if SECRET in line]
    assert dict(os.environ) == before


def test_a_project_is_fetched_and_named_without_its_password(
    repository: Path,  # noqa: F811 (the fixture)
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import test_project_git as project_git

    monkeypatch.setattr(project_git, "AWAY", AWAY.replace("://", f"://me:{SECRET}@"))
    source = found(tmp_path / "fetched")
    assert source.name == "below"
    assert not holders(tmp_path / "fetched")
    assert SECRET not in caplog.text + (source.spec.project or "")
    assert source.tags["mlflow.source.git.repoURL"] == AWAY
    monkeypatch.setattr(project_git, "AWAY", AWAY.replace("://", "://***@"))
    assert found(tmp_path / "again").commit == source.commit, "git may know how to log in"
    with pytest.raises(
        ConfigError, match=r"parameter y of project 'below': 'http://\*\*\*@b' had a password"
    ):
        found(tmp_path / "third", parameters={"y": "http://***@b"})  # type: ignore[arg-type]
