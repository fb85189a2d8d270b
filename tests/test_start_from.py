"""Configs to try first: from a file, from Python, or from a run of MLflow's."""

from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from conftest import hpo, one_line_error

from mlflow_hpo import tune
from mlflow_hpo.errors import SpaceError, StudyError

SPACE = {"rate": {"type": "float", "low": 1e-7, "high": 1.0, "log": True}, "kind": ["a", "b", True, 1e-05]}
QUIET: dict[str, Any] = {"workers": 0, "progress": False, "algorithm": "random"}


def objective(trial: Any) -> None:
    trial.report(1, {"loss": trial.config["rate"]})


def configs_of(study: Any) -> list[dict[str, Any]]:
    return [dict(trial.config) for trial in study.trials]


def test_python_gives_them_as_dicts(job_uri: str) -> None:
    given = [{"rate": np.float64(3e-7), "kind": True}, {"rate": 0.5}]
    study = tune(objective, SPACE, start_from=given, max_trials=4, **QUIET)
    first = configs_of(study)
    assert first[1] == {"rate": 3e-7, "kind": True}
    assert first[2]["rate"] == 0.5
    Path("first.yaml").write_text("- {rate: 0.125}")
    of_file = tune(objective, SPACE, start_from=Path("first.yaml"), max_trials=2, **QUIET)
    assert configs_of(of_file)[1]["rate"] == 0.125
    again = tune(
        objective, SPACE, resume=study.run_id, start_from=given, max_trials=5, workers=0, progress=False
    )
    assert configs_of(again)[:4] == first
    with pytest.raises(StudyError, match="began with other configs than configs from Python"):
        tune(objective, SPACE, resume=study.run_id, start_from={"rate": 0.1}, workers=0, progress=False)
    assert (
        configs_of(tune(objective, SPACE, start_from={"rate": 0.25}, max_trials=2, **QUIET))[1]["rate"]
        == 0.25
    )


def test_a_run_of_mlflows_gives_its_params_as_what_they_were(job_uri: str, tmp_path: Path) -> None:
    with mlflow.start_run() as run:
        mlflow.log_params({"rate": 1e-05, "kind": 1e-05, "epochs": 3, "note": "2026-13-45"})
    study = tune(objective, SPACE, start_from=f"runs:/{run.info.run_id}", max_trials=2, **QUIET)
    assert configs_of(study)[1] == {"rate": 1e-05, "kind": 1e-05}
    later = tune(objective, SPACE, start_from=f"runs:/{study.trials[1].run_id}", max_trials=2, **QUIET)
    assert configs_of(later)[1] == configs_of(study)[1]
    own = tmp_path / "own.py"
    own.write_text("def objective(trial):\n    trial.report(1, {'loss': trial.config['rate']})\n")
    (tmp_path / "space.yaml").write_text("rate: [1, 2]")
    search = ["search", f"--model={own}:objective", f"--space={tmp_path}/space.yaml", "--workers=0"]
    line = one_line_error(hpo(job_uri, *search, "--start-from=runs:/nobody"))
    assert line.startswith("Error: start-from: no run 'nobody' in sqlite:")
    line = one_line_error(hpo(job_uri, *search, f"--start-from=runs:/{run.info.run_id}"))
    assert "config 1: rate" in line


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([{"rate": 0.5, "more": 1}], "config 1: 'more' is not in the space"),
        (["rate"], "'rate' is no config: give dicts"),
        ([{"rate": object()}], "rate is of type object, which no file of configs can hold"),
        ([{"rate": 5.0}], "config 1: rate"),
    ],
)
def test_what_is_no_config_is_refused_in_a_line(job_uri: str, given: Any, words: str) -> None:
    with pytest.raises(SpaceError, match=words):
        tune(objective, SPACE, start_from=given, max_trials=3, **QUIET)
