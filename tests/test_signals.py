"""A signal is heard at the end of a search, where more may take hours, and as a command fails."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import mlflow
import pytest
from conftest import Recording
from drivers import begun
from rich.console import Console

from mlflow_hpo.errors import HpoError, Interrupted, StudyError
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import LATEST, Connection, find_study
from mlflow_hpo.study.lifecycle import resume, start
from mlflow_hpo.study.source import Given
from mlflow_hpo.trial import State, Trial

OPTIONS = {
    "model": "sklearn.tree:DecisionTreeClassifier",
    "data": "digits",
    "resource": "samples",
    "max_epochs": 3,
    "scheduler": "halving",
    "max_trials": 4,
    "workers": 1,
    "register": "tree",
    "top_k": 1,
}


@pytest.fixture
def store(own_uri: str) -> Iterator[str]:
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(own_uri)  # another test may have named another store
    yield own_uri
    mlflow.set_tracking_uri(before)


def test_nothing_is_registered_and_a_resume_does_it(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "job")

    def end(trial: Trial) -> None:
        if trial.state is State.STOPPED:  # as the study is ended
            os.kill(os.getpid(), signal.SIGTERM)

    @contextmanager
    def shown(console: Console) -> Iterator[Recording]:
        yield Recording(end)

    given = Given(tmp_path, space_text="max_depth: [1, 2, 3, 4, 5]")
    with pytest.raises(Interrupted, match="interrupted by SIGTERM; go on with: mlflow-hpo resume "):
        start(read_settings(OPTIONS), Console(quiet=True), given, shown)
    connection = Connection(store)
    study = find_study(connection, LATEST)
    assert study.state == "finished"
    assert not connection.client.search_registered_models()
    resume(study.run_id, {}, Console(quiet=True))
    assert str(connection.client.get_model_version_by_alias("tree", "champion").version) == "1"


def test_a_search_whose_output_is_closed_ends_as_by_a_signal(store: str, tmp_path: Path) -> None:
    """As in `mlflow-hpo search | head -3`."""
    (tmp_path / "slow.py").write_text("import time\ndef loss(config):\n    time.sleep(0.2)\n    return 1\n")
    (tmp_path / "space.yaml").write_text("x: {type: float, low: 0, high: 1}")
    command = ["search", "--model", "slow.py:loss", "--space", "space.yaml", "--workers", "1"]
    with begun([sys.executable, "-m", "mlflow_hpo", *command], store, tmp_path) as process:
        assert process.stdout
        assert process.stderr
        [process.stdout.readline() for _ in range(3)]
        process.stdout.close()
        assert process.wait() == 128 + signal.SIGPIPE
        [said] = process.stderr.read().splitlines()
    study = find_study(Connection(store), LATEST)
    assert said == f"Error: interrupted by SIGPIPE; go on with: mlflow-hpo resume {study.run_id}"
    assert study.state == "killed: interrupted by SIGPIPE"
    assert not list(study.connection.runs(["0"], "attributes.status = 'RUNNING'", "attributes.start_time"))


@pytest.mark.parametrize(("sent", "ends_by"), [(True, Interrupted), (False, StudyError)])
def test_what_fails_after_a_signal_ends_by_it(sent: bool, ends_by: type[HpoError]) -> None:
    def fail() -> None:
        if sent:
            os.kill(os.getpid(), signal.SIGTERM)
        raise StudyError("the store is not waited for any more")

    with pytest.raises(ends_by), Signals("mlflow-hpo resume x"):
        fail()
