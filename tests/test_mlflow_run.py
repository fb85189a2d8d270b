"""The main job, as its user runs it: `mlflow run .`, then load what it registered."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import mlflow
import numpy as np
import pytest
from conftest import COMMAND_SECONDS, PROJECT, environment, hpo, run_command
from mlflow.entities import Run

from mlflow_hpo.data import DataSpec, load_data
from mlflow_hpo.store import Connection, find_study

pytestmark = pytest.mark.slow
OPTIONS = {"max_trials": "3", "max_epochs": "2", "workers": "2", "register": "digits"}
RUN = [sys.executable, "-m", "mlflow", "run", ".", "--env-manager", "local", "--experiment-name", "job"]


@dataclass
class Job:
    """A finished `mlflow run .`."""

    uri: str
    output: str
    parent: Run
    trials: list[Run]
    again: list[Run]  # the best, trained again with another seed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("job")


@pytest.fixture(scope="module")
def job(folder: Path, new_store: Callable[[Path], str]) -> Job:
    uri = new_store(folder)
    connection = Connection(uri)
    connection.client.create_experiment("job", str(folder / "artifacts"))
    done = run_command(RUN + [f"-P{k}={v}" for k, v in OPTIONS.items()], uri)
    assert done.returncode == 0, done.stdout + done.stderr
    experiment = connection.client.get_experiment_by_name("job")
    assert experiment is not None
    runs = connection.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    children = sorted(runs[1:], key=lambda r: r.info.run_name or "")
    trials = [r for r in children if "mlflow_hpo.trial" in r.data.tags]
    return Job(uri, done.stdout, runs[0], trials, [r for r in children if r not in trials])


def test_every_trial_is_nested_under_the_projects_run(job: Job) -> None:
    assert [r.info.run_name for r in job.trials] == ["trial-0000", "trial-0001", "trial-0002"]
    assert {r.data.tags["mlflow.parentRunId"] for r in job.trials} == {job.parent.info.run_id}
    assert [r.info.run_name for r in job.again] == ["again-0000", "again-0001", "again-0002"]
    assert {r.info.status for r in [job.parent, *job.trials, *job.again]} == {"FINISHED"}


def test_the_parent_holds_the_settings_the_space_and_the_best(job: Job) -> None:
    client = Connection(job.uri).client
    params = job.parent.data.params
    assert {k: params[k] for k in OPTIONS} == OPTIONS
    assert params["algorithm"] == "auto"
    best = max(r.data.metrics["val_accuracy"] for r in job.trials)
    series = client.get_metric_history(job.parent.info.run_id, "best_val_accuracy")
    assert [m.value for m in series] == sorted(m.value for m in series)
    assert series[-1].value == best
    assert "space.yaml" in [a.path for a in client.list_artifacts(job.parent.info.run_id)]
    assert "mlflow.pyfunc.load_model" in job.parent.data.tags["mlflow.note.content"]
    tags = client.get_experiment(job.parent.info.experiment_id).tags
    assert tags["mlflow.experiment.primaryMetric.name"] == "best_val_accuracy"
    assert tags["mlflow.experiment.primaryMetric.greaterIsBetter"] == "True"


def test_a_trial_holds_everything_about_itself(job: Job) -> None:
    client = Connection(job.uri).client
    for run in job.trials:
        config = json.loads(run.data.tags["mlflow_hpo.config"])
        assert run.data.params == {k: str(v) for k, v in config.items()} | {"seed": run.data.params["seed"]}
        for metric in ("loss", "accuracy", "val_loss", "val_accuracy"):
            assert [m.step for m in client.get_metric_history(run.info.run_id, metric)] == [1, 2]
        assert {"wall_seconds", "cpu_seconds", "peak_memory_mb"} <= set(run.data.metrics)
        assert run.data.metrics["peak_memory_mb"] > 100
        assert len(client.get_metric_history(run.info.run_id, "system/cpu_utilization_percentage")) >= 2
        for fact in ("host", "cpu", "cpu_cores", "memory_gb", "python", "tensorflow", "keras", "mlflow"):
            assert run.data.tags[f"machine.{fact}"]
        assert run.inputs is not None
        assert run.outputs is not None
        (dataset,) = run.inputs.dataset_inputs
        assert (dataset.dataset.name, dataset.dataset.digest) == (
            "digits",
            load_data(DataSpec("digits")).digest,
        )
        assert len(run.outputs.model_outputs) == 1
    assert len({r.data.params["seed"] for r in job.trials}) == len(job.trials)


@pytest.mark.skipif(not (PROJECT / ".git").exists(), reason="not a git checkout")
def test_a_trial_names_the_git_commit(job: Job) -> None:
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert {r.data.tags["mlflow.source.git.commit"] for r in [job.parent, *job.trials]} == {
        head.stdout.strip()
    }


def test_trial_0_is_the_models_default(job: Job) -> None:
    assert job.trials[0].data.params["learning_rate"] == "0.001"
    assert job.trials[0].data.params["optimizer"] == "adam"


def test_the_end_names_the_best_its_gain_and_the_next_commands(job: Job) -> None:
    for words in (
        "best: trial",
        "gain ",
        "mlflow ui",
        "mlflow-hpo report",
        "mlflow models serve",
        "trial   2",
    ):
        assert words in job.output


def test_every_model_has_a_signature_and_an_example_and_gives_probabilities(job: Job) -> None:
    mlflow.set_tracking_uri(job.uri)
    rows = load_data(DataSpec("digits")).test.x[:5]
    for run in job.trials:
        uri = run.data.tags["mlflow_hpo.model"]
        model = mlflow.pyfunc.load_model(uri)
        assert model.metadata.signature.inputs.inputs[0].shape == (-1, 8, 8, 1)
        assert model.metadata.load_input_example(mlflow.artifacts.download_artifacts(uri)) is not None
        answers = model.predict(rows)
        assert answers.shape == (5, 10)
        np.testing.assert_allclose(answers.sum(axis=1), 1, rtol=1e-4)


def test_the_registered_model_leads_back_and_predicts(job: Job) -> None:
    client = Connection(job.uri).client
    version = client.get_model_version_by_alias("digits", "champion")
    trial = next(r for r in job.trials if r.info.run_id == version.tags["mlflow_hpo.trial_run"])
    again = job.again[job.trials.index(trial)]
    best = max(trial, again, key=lambda r: r.data.metrics["val_accuracy"])
    assert version.run_id == best.info.run_id
    assert version.tags["mlflow_hpo.study_run"] == job.parent.info.run_id
    assert "On the test part: test_accuracy" in str(version.description)
    mlflow.set_tracking_uri(job.uri)
    test = load_data(DataSpec("digits")).test
    answers = mlflow.pyfunc.load_model("models:/digits@champion").predict(test.x)
    accuracy = float((answers.argmax(axis=1) == test.y).mean())
    assert accuracy == pytest.approx(best.data.metrics["test_accuracy"], abs=1e-6)


def test_each_of_the_best_was_scored_on_the_test_part_once(job: Job) -> None:
    scored = [
        [r for r in both if "test_accuracy" in r.data.metrics]
        for both in zip(job.trials, job.again, strict=True)
    ]
    assert [len(runs) for runs in scored] == [1, 1, 1]


def test_registering_again_makes_a_new_version_and_does_not_score_again(job: Job) -> None:
    client = Connection(job.uri).client
    best = client.get_model_version_by_alias("digits", "champion").run_id
    done = hpo(job.uri, "report", job.parent.info.run_id, "--register", "digits", "--alias", "challenger")
    assert done.returncode == 0, done.stderr
    assert str(client.get_model_version_by_alias("digits", "challenger").version) == "2"
    assert str(client.get_model_version_by_alias("digits", "champion").version) == "1"
    assert len(client.get_metric_history(str(best), "test_accuracy")) == 1


def test_the_report_entry_point_ranks_the_latest_study(job: Job) -> None:
    command = [sys.executable, "-m", "mlflow", "run", ".", "-e", "report", "--env-manager", "local"]
    done = run_command([*command, "-Pformat=csv", "-Ptop=2", "--experiment-name", "job"], job.uri)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.strip().splitlines()
    assert lines[0].startswith("rank,trial,val_accuracy,gain,epochs,seconds,status")
    assert [line.split(",")[0] for line in lines[1:]] == ["1", "2"]


def test_the_report_entry_point_may_only_say_what_it_would_register(job: Job) -> None:
    command = [sys.executable, "-m", "mlflow", "run", ".", "-e", "report", "--env-manager", "local"]
    options = [f"-Pstudy={job.parent.info.run_id}", "-Pregister=digits", "-Pdry_run=true", "-Ptop_k=1"]
    done = run_command(
        [*command, *options, "--experiment-name", "job"], job.uri
    )  # the rest as MLproject has it
    assert done.returncode == 0, done.stderr
    assert "val_accuracy" in done.stdout
    assert "would not register trial " in done.stdout
    same = ("--register", "digits", "--dry-run", "--top-k", "1")
    done = hpo(job.uri, "report", job.parent.info.run_id, *same, "--force")
    assert done.returncode == 0, done.stderr
    assert "digits@champion by --force: " in done.stdout
    found = Connection(job.uri).client.search_model_versions("name = 'digits'")
    assert all(v.tags.get("mlflow_hpo.forced") is None for v in found)


def test_a_run_whose_model_the_gate_refuses_has_finished_all_the_same(job: Job) -> None:
    options = ["-Pmax_trials=1", "-Pmax_epochs=1", "-Pworkers=1", "-Pregister=digits"]
    done = run_command([*RUN, *options], job.uri)
    assert done.returncode != 0
    assert "version 1 keeps the alias champion" in done.stderr
    client = Connection(job.uri).client
    assert str(client.get_model_version_by_alias("digits", "champion").version) == "1"
    newest = find_study(Connection(job.uri), "latest").run_id
    deadline = time.monotonic() + COMMAND_SECONDS
    while client.get_run(newest).info.status != "FINISHED" and time.monotonic() < deadline:
        time.sleep(0.5)
    assert client.get_run(newest).info.status == "FINISHED"


@pytest.fixture
def served(job: Job) -> Iterator[str]:
    """The registered model behind `mlflow models serve`, as README starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", "models:/digits@champion"]
    command += ["--env-manager", "local", "--port", str(port)]
    with (Path(job.uri.removeprefix("sqlite:///")).parent / "serve.log").open("w") as log:
        server = subprocess.Popen(
            command, env=environment(job.uri), stdout=log, stderr=log, start_new_session=True
        )
    try:
        wait_for(f"http://127.0.0.1:{port}/health", server)
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def wait_for(url: str, server: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + COMMAND_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(OSError), urllib.request.urlopen(url, timeout=60):
            return
        time.sleep(0.5)
    raise AssertionError(f"{url} does not answer")


def test_the_registered_model_is_served(job: Job, served: str) -> None:
    rows = load_data(DataSpec("digits")).test.x[:4]
    request = urllib.request.Request(
        f"{served}/invocations",
        json.dumps({"inputs": rows.tolist()}).encode(),
        {"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=COMMAND_SECONDS) as answer:
        served_answers = np.array(json.load(answer)["predictions"])
    mlflow.set_tracking_uri(job.uri)
    direct = mlflow.pyfunc.load_model("models:/digits@champion").predict(rows)
    np.testing.assert_allclose(served_answers, direct, atol=1e-5)
