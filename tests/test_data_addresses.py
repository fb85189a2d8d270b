"""Data at addresses that MLflow fetches, and what `mlflow.data` makes."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from conftest import hpo
from data_loading import given
from mlflow.data.meta_dataset import MetaDataset
from mlflow.data.numpy_dataset import from_numpy
from mlflow.data.pandas_dataset import from_pandas
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

import mlflow_hpo
from mlflow_hpo.data import load_data
from mlflow_hpo.errors import ConfigError, HpoError
from mlflow_hpo.store.fetched import addressed

TABLE = pd.DataFrame(np.random.default_rng(0).normal(size=(100, 3)), columns=[*"abc"]).assign(
    y=["u", "v"] * 50
)
X = TABLE[[*"abc"]].to_numpy()


@pytest.fixture(autouse=True)
def run(tmp_path: Path, new_store: Callable[[Path], str]) -> Iterator[Any]:
    """A run that has logged a table as an artifact and as a data set."""
    uri, before = new_store(tmp_path), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    TABLE.to_csv("table.csv", index=False)
    with mlflow.start_run() as run:
        mlflow.log_artifact("table.csv", "in")
        mlflow.log_input(from_pandas(TABLE, source="table.csv", targets="y"))
    yield mlflow.get_run(run.info.run_id)
    mlflow.set_tracking_uri(before)


@pytest.fixture
def web() -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *words: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=Path.cwd()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


def tuned(data: Any, **settings: Any) -> Any:
    how = {"max_trials": 1, "workers": 0, **settings}
    return mlflow_hpo.tune(LogisticRegression(), {"C": [1, 2]}, data, progress=False, **how)


def test_a_runs_artifact_is_fetched_again_for_each_command(run: Any) -> None:
    uri = f"runs:/{run.info.run_id}/in/table.csv"
    expected = tuned(TABLE, target="y", folds=3)
    study = tuned(uri, target="y", folds=3)
    assert study.best_value == expected.best_value
    assert tuned(uri, target="y", folds=KFold(3)).best_value > 0
    assert mlflow.get_run(study.run_id).data.params["data"] == uri
    Path("table.csv").unlink()
    done = hpo(mlflow.get_tracking_uri(), "resume", study.run_id, "--max-trials", "2")
    assert done.returncode == 0, done.stderr
    assert "Downloading" not in done.stderr


def test_the_web_and_other_addresses_are_fetched(web: str) -> None:
    expected = tuned("table.csv", target="y").best_value
    for uri in (f"{web}/table.csv?version=2", Path("table.csv").resolve().as_uri()):
        assert tuned(uri, target="y").best_value == expected


def test_a_password_is_used_and_not_stored(web: str) -> None:
    uri = f"{web}/table.csv".replace("//", "//me:hunter2@")
    study = tuned(uri, target="y")
    run = mlflow.get_run(study.run_id)
    [trial] = mlflow.search_runs([run.info.experiment_id], "params.C != ''", output_format="list")
    assert "hunter2" not in str([run.to_dictionary(), trial.to_dictionary()])
    again = tuned(uri, target="y", resume=study.run_id, max_trials=2)
    assert len(again.trials) == 2


def test_data_sets_of_mlflows_are_their_rows_or_their_source(run: Any, tmp_path: Path) -> None:
    entity = run.inputs.dataset_inputs[0].dataset
    source = mlflow.data.get_source(entity)
    for value in (entity, source, MetaDataset(source)):  # type: ignore[abstract]
        assert addressed(value) == "table.csv"
    with_rows = from_pandas(TABLE, targets="y")
    assert addressed(with_rows) is with_rows
    expected = load_data(given(TABLE, tmp_path, "y"))
    assert load_data(given(with_rows, tmp_path)).digest == expected.digest
    answered = from_pandas(TABLE.assign(earlier=TABLE["y"]), targets="y", predictions="earlier")
    assert load_data(given(answered, tmp_path)).digest == expected.digest
    numbers = from_numpy(X, targets=(TABLE["y"] == "v").to_numpy().astype(int))
    assert np.array_equal(load_data(given(numbers, tmp_path)).test.y, expected.test.y)
    with pytest.raises(HpoError, match=r"gave a ndarray: expected \(x, y\)"):
        tuned(from_numpy(X))


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("runs:/{run}/in/table.csv", "needs a target, the column to predict: one of a, b, c, y"),
        ("runs:/{run}/in/none.csv", "cannot be fetched: "),
        ("runs:/{run}/in", "are at an address, where only files are fetched: "),
        ("runs:/none/table.csv", "cannot be fetched: Run with id=none not found"),
        ("models:/none/1/table.csv", "cannot be fetched: Registered Model with name=none not found"),
        ("mlflow-artifacts:/table.csv", "cannot be fetched: When an mlflow-artifacts URI was supplied"),
        ("nowhere://bucket/table.csv", "cannot be fetched: Could not find a registered artifact repository"),
        ("{web}/none.csv", "cannot be fetched: 404 Client Error"),
        pytest.param(
            *("s3://bucket/table.csv", "cannot be fetched without boto3: pip install boto3"),
            marks=pytest.mark.skipif(find_spec("boto3") is not None, reason="boto3 is here"),
        ),
    ],
)
def test_what_cannot_be_fetched_is_one_line(run: Any, web: str, address: str, problem: str) -> None:
    address = address.format(run=run.info.run_id, web=web)
    with pytest.raises(ConfigError) as caught:
        tuned(address)
    assert f"data {address!r} {problem}" in str(caught.value)
    assert "\n" not in str(caught.value)
