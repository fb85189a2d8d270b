"""What a project's objective reports of a process that it ran."""

from collections.abc import Callable
from pathlib import Path

import pytest
from project_folders import project
from units import Reports, ending, unit

from mlflow_hpo.errors import NotFiniteError, SetupError, TrialError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.project import run
from mlflow_hpo.objectives.project.objective import ProjectObjective
from mlflow_hpo.objectives.unit import RunLocation
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.store import Connection

LOG = """
import sys, mlflow
for step, value in enumerate(sys.argv[1:]):
    mlflow.log_metric("loss", float(value), step=step)
"""


@pytest.fixture
def trained(
    connection: Connection, experiment: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Handle]:
    """Run a script that logs these losses to its end, before the objective looks for the first time."""
    monkeypatch.setattr(run, "FIRST_PAUSE", 600)
    monkeypatch.setattr(run, "LAST_PAUSE", 600)
    (tmp_path / "storage").mkdir()

    def train(
        losses: str, epochs: int, at: str = "last", goes_on: bool = True, metric: str = "loss"
    ) -> Handle:
        script = f"python log.py {losses}"
        folder = project(tmp_path / "logs", {"log.sh": script, "log.py": LOG})
        prepared = Prepared(folder, "log.sh", "", "", str(tmp_path / "storage"))
        handle = unit(
            tmp_path / "checkpoint",
            epochs=epochs,
            reports=Reports(stop_after=None if goes_on else 0),
            metric=metric,
            at_best=at == "best",
            run_id=str(connection.client.create_run(experiment).info.run_id),
            location=RunLocation(connection.uri, experiment, "study", 0),
        )
        ProjectObjective(prepared, Metric(metric, False)).train(handle)
        return handle

    return train


def values(trial: Handle) -> list[float]:
    return [values["loss"] for _, values in sorted(trial.progress.reported.items())]


def test_every_step_counts_though_the_trial_would_have_been_ended(trained: Callable[..., Handle]) -> None:
    trial = trained("4 2 3 5", 4, goes_on=False)
    assert values(trial) == [4, 2, 3, 5]
    assert not trial.progress.stopped
    assert not trial.ended_itself


def test_the_best_value_so_far_may_be_what_counts(trained: Callable[..., Handle]) -> None:
    assert values(trained("4 2 3 5", 4, "best")) == [4, 2, 2, 2]


def test_without_steps_the_last_value_is_that_of_the_trial(trained: Callable[..., Handle]) -> None:
    trial = trained("4 2 3", 1)
    assert (values(trial), ending(trial)) == ([3], "")
    assert trial.progress.child_cpu_seconds > 0.1


def test_one_that_logs_fewer_steps_ended_by_itself(trained: Callable[..., Handle]) -> None:
    trial = trained("4 2", 9)
    assert (values(trial), ending(trial)) == ([4, 2], "ended by itself after 2 steps")


def test_steps_beyond_the_last_change_only_its_value(trained: Callable[..., Handle]) -> None:
    assert values(trained("4 2 3 1", 2)) == [4, 1]


def test_what_fails_a_trial_says_so(trained: Callable[..., Handle]) -> None:
    with pytest.raises(NotFiniteError, match="loss became inf at epoch 2"):
        trained("4 inf 3", 3)


def test_a_failing_process_shows_its_last_lines(trained: Callable[..., Handle]) -> None:
    with pytest.raises(TrialError, match="exit status 1: ValueError: could not convert") as caught:
        trained("word", 1)
    assert "Traceback" in caught.value.details


def test_a_metric_that_is_not_logged_is_told_with_those_that_are(trained: Callable[..., Handle]) -> None:
    with pytest.raises(SetupError, match="logged no metric 'other': it logged loss"):
        trained("4", 1, metric="other")
