"""A database that does not answer is asked again; one that refuses is not."""

import logging
import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest
from conftest import hpo, one_line_error
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import event

from mlflow_hpo.errors import StoreError, TrialError
from mlflow_hpo.store import Connection, patience
from mlflow_hpo.store.connection import quick, store_errors
from mlflow_hpo.store.together import together
from mlflow_hpo.worker.startup import user_errors


@pytest.fixture
def hasty(own_uri: str) -> Iterator[Connection]:
    """A store in which SQLite itself waits a moment for a lock, and not for twenty seconds."""

    def shortened(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> tuple[str, Any]:
        return statement.replace("busy_timeout = 20000", "busy_timeout = 50"), parameters

    connection = Connection(own_uri)
    engine = connection.client._tracking_client.store.engine
    event.listen(engine, "before_cursor_execute", shortened, retval=True)
    yield connection
    event.remove(engine, "before_cursor_execute", shortened)
    connection.experiment_ids()  # the outage is over


@contextmanager
def locked(connection: Connection, seconds: float = 0) -> Iterator[None]:
    """A store that somebody else has locked, for some seconds or until the end."""
    file = connection.uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(seconds, other.rollback)
        if seconds:
            timer.start()
        yield
        if seconds:
            timer.join()
        else:
            other.rollback()


def test_a_locked_database_is_asked_until_it_answers_and_that_is_said_once(
    hasty: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with locked(hasty, seconds=2):
        run = hasty.client.create_run("1")
        hasty.client.log_metric(run.info.run_id, "loss", 0.5)
    assert [found.info.run_id for found in hasty.client.search_runs(["1"])] == [run.info.run_id]
    (said,) = caplog.messages
    assert said.startswith("the tracking store does not answer, and is asked again for some minutes: ")
    assert said.endswith("database is locked")


def test_after_the_patience_each_call_is_tried_once_until_the_store_answers(
    hasty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(patience.SECONDS, "1")
    with locked(hasty):
        assert 1 <= seconds_to_fail(hasty) < 10
        assert seconds_to_fail(hasty) < 0.5
    hasty.experiment_ids()
    with locked(hasty):
        assert 1 <= seconds_to_fail(hasty) < 10


def seconds_to_fail(connection: Connection) -> float:
    began = time.monotonic()
    with pytest.raises(MlflowException, match="database is locked"):
        connection.client.create_run("1")
    return time.monotonic() - began


def test_what_waiting_does_not_help_is_refused_at_once(hasty: Connection) -> None:
    file = hasty.uri.removeprefix("sqlite:///")
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("ALTER TABLE params RENAME TO elsewhere")
    began = time.monotonic()
    with pytest.raises(MlflowException, match="no such table"):
        hasty.client.log_param(hasty.client.create_run("1").info.run_id, "x", 1)
    assert time.monotonic() - began < 5


def test_a_patience_that_is_no_number_is_named(hasty: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(patience.SECONDS, "long")
    with locked(hasty), pytest.raises(Exception, match="MLFLOW_HPO_PATIENCE: takes seconds, not 'long'"):
        hasty.client.create_run("1")


def test_a_server_that_does_not_answer_is_said_to_be_asked_again(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    with pytest.raises(Exception, match="cannot be used"):
        Connection("http://127.0.0.1:9")
    assert not caplog.messages, "the first look waits for nothing"
    with pytest.raises(Exception, match="cannot be used"):
        Connection("http://127.0.0.1:9", patient=True)
    assert [m.partition(":")[0] for m in caplog.messages] == [
        "the tracking store does not answer, and is asked again for some minutes"
    ]
    assert "Connection refused" in caplog.text


def test_the_first_look_at_a_store_is_quick() -> None:
    began = time.monotonic()
    uri = "postgresql://127.0.0.1:9/nothing"
    said = one_line_error(hpo(uri, "report"))
    assert said.startswith(f"Error: tracking store '{uri}' cannot be used:")
    assert time.monotonic() - began < 15


def test_quick_is_over_afterwards() -> None:
    with store_errors(), quick():
        assert not patience._patience()
    assert patience._patience() == patience.DEFAULT_SECONDS


def test_a_store_that_is_away_while_the_users_code_writes_to_it_fails_no_trial(
    hasty: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(patience.SECONDS, "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with locked(hasty), pytest.raises(StoreError, match="database is locked"), user_errors():
        hasty.client.create_run("1")
    with pytest.raises(StoreError, match="Connection refused"), user_errors():
        MlflowClient("http://127.0.0.1:9").create_run("1")
    with pytest.raises(TrialError, match="No Experiment with id=99"), user_errors():
        hasty.client.create_run("99")


def test_blocks_that_ask_quickly_may_end_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several threads write at a time, and each looks at what it met."""
    name = "MLFLOW_HTTP_REQUEST_TIMEOUT"
    monkeypatch.setenv(name, "77")
    first, second = quick(), quick()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert os.environ[name] == "15"
    second.__exit__(None, None, None)
    assert os.environ[name] == "77"


def test_writes_that_go_together_answer_each_for_itself() -> None:
    def fail() -> int:
        raise StoreError("away")

    for uri in ("sqlite:///here.db", "http://there"):
        answers = together(uri, [lambda: 1, fail, lambda: 3])
        assert [answers[0].result(), answers[2].result()] == [1, 3]
        assert isinstance(answers[1].exception(), StoreError)
