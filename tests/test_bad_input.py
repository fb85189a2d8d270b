"""What a user can get wrong ends in one clear line, a non-zero exit, and nothing half-done."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import hpo, hpo_process, one_line_error, run_command

from mlflow_hpo.store import Connection

SEARCHES = [
    (["--model", "vgg"], "unknown model 'vgg': known are cnn, mlp"),
    (["--space", "nowhere.yaml"], "space 'nowhere.yaml' cannot be read: No such file or directory"),
    (["--colour", "red"], "No such option"),
    (["--max-trials", "all"], "max-trials: 'all' is for the algorithm grid, not for 'auto'"),
    (
        ["--max-trials", "all", "--algorithm", "grid"],
        "max-trials: the grid has 151,200 combinations, and 'all' is",
    ),
    (["--start-from", "nowhere.yaml"], "start-from 'nowhere.yaml' cannot be read: No such file or directory"),
    (["--algorithm", "optuna:XYZ"], "unknown sampler of Optuna's 'XYZ': known are"),
    (["--keep-data"], "keep-data: only data that Python gives are kept, and none were given"),
    (["--warm-start", "nobody"], "no study 'nobody' in sqlite"),
]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory, new_store: Callable[[Path], str]) -> str:
    """A store without a single study."""
    return new_store(tmp_path_factory.mktemp("empty"))


@pytest.mark.parametrize(("options", "message"), SEARCHES, ids=lambda x: str(x)[:30])
def test_a_bad_search_starts_nothing(empty: str, options: list[str], message: str) -> None:
    assert message in one_line_error(hpo(empty, "search", *options))
    assert not Connection(empty).client.search_runs(["0"])


def test_a_bad_space_starts_nothing(empty: str, tmp_path: Path) -> None:
    (tmp_path / "space.yaml").write_text("units: {type: int, low: 9, high: 1}")
    said = one_line_error(hpo_process(empty, "search", "--space", str(tmp_path / "space.yaml")))
    assert "space.yaml:1: units: low must be below high, but 9 >= 1" in said
    assert not Connection(empty).client.search_runs(["0"])


def test_a_server_that_cannot_be_reached_is_named() -> None:
    said = one_line_error(hpo("http://127.0.0.1:9", "report"))
    assert said.startswith("Error: tracking store 'http://127.0.0.1:9' cannot be used: ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["resume", "nobody"], "no study 'nobody' in sqlite"),
        (["report", "--top", "0"], "Invalid value for '--top': 0 is not in the range x>=1"),
        (["rollback", "a/b"], "name: 'a/b' is no name for a model: it is blank or holds / or :"),
        (["rollback", "a", "--alias", "v1"], "alias: 'v1' is no alias: take letters"),
        (["resume"], "Missing argument 'STUDY'"),
    ],
    ids=lambda x: str(x)[:30],
)
def test_a_bad_command_is_answered_in_one_line(empty: str, arguments: list[str], message: str) -> None:
    assert message in one_line_error(hpo(empty, *arguments))


@pytest.mark.slow
def test_nothing_is_registered_when_no_trial_finished(own_uri: str) -> None:
    options = ["--max-trials", "1", "--trial-timeout", "0.01", "--register", "digits"]
    assert "no trial finished; trial 0: took longer than" in one_line_error(hpo(own_uri, "search", *options))
    client = Connection(own_uri).client
    runs = client.search_runs(["0"])
    assert {r.info.status for r in runs} == {"FAILED"}
    assert any(
        "took longer than the trial_timeout" in r.data.tags.get("mlflow.note.content", "") for r in runs
    )
    done = hpo(own_uri, "report", "--register", "digits")
    assert done.returncode == 1
    assert "has no finished trial: nothing to register" in done.stderr
    assert not client.search_registered_models()


def test_a_bad_value_in_mlflow_run_leaves_no_run_running(own_uri: str) -> None:
    command = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "-Palgorithm=gpt"]
    done = run_command(command, own_uri)
    assert done.returncode != 0
    assert "Error: unknown algorithm 'gpt': known are anneal, auto, cmaes" in done.stderr
    assert [r.info.status for r in Connection(own_uri).client.search_runs(["0"])] == ["FAILED"]
