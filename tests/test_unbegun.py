"""A run whose process is killed before it is a study does not stay RUNNING."""

import os
import signal
import subprocess
import sys

from conftest import environment

from mlflow_hpo.store import Connection
from mlflow_hpo.store.studies import new_study

BEGIN = """
import sys
from mlflow_hpo.store import Connection
from mlflow_hpo.store.studies import new_study
print(new_study(Connection()).run_id, flush=True)
sys.stdin.read()
"""


def begun_elsewhere(uri: str) -> "subprocess.Popen[str]":
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", BEGIN], env=environment(uri), text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def test_the_next_study_removes_it_and_no_other(own_uri: str) -> None:
    client = (connection := Connection(own_uri)).client
    with begun_elsewhere(own_uri) as process:
        run_id = process.stdout.readline().strip()  # type: ignore[union-attr]
        own, second = new_study(connection).run_id, new_study(connection).run_id
        assert {client.get_run(run).info.lifecycle_stage for run in (run_id, own, second)} == {"active"}
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        new_study(connection)
    gone = client.get_run(run_id).info
    assert (gone.status, gone.lifecycle_stage) == ("KILLED", "deleted")
    assert {client.get_run(run).info.lifecycle_stage for run in (own, second)} == {"active"}
