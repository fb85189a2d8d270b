"""What goes wrong with a project is one line and a non-zero exit, with no run and no process left over."""

import json
import re
from pathlib import Path

import psutil
import pytest
from conftest import hpo, one_line_error, run_command
from project_folders import ELASTICNET, SPACE, every_run, project, tune

from mlflow_hpo.plugin.run_context import refuse_config

pytestmark = pytest.mark.slow
LOCAL = ("--env-manager", "local")


def mlflows_line(uri: str, folder: str, config: dict[str, object], *options: str) -> str:
    """The one line that `mlflow run` logs as an error."""
    done = tune(uri, folder, config, *(options or LOCAL))
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    (line,) = [line for line in done.stderr.splitlines() if " ERROR " in line]
    return line


def no_process(folder: str) -> bool:
    return not [p for p in psutil.process_iter(["cmdline"]) if folder in " ".join(p.info["cmdline"] or [])]


def test_what_can_be_told_before_leaves_no_run(own_uri: str) -> None:
    right: dict[str, object] = {"space": SPACE, "metric": "rmse"}
    folder = str(ELASTICNET)
    for config, options, words in (
        ({**right, "space": {"alfa": [1, 2]}}, LOCAL, "'alfa' is no parameter of entry point 'main'"),
        ({**right, "space": {"alpha": [1, "x"]}}, LOCAL, "MLproject declares type float, not 'x'"),
        (
            {**right, "metrik": "rmse"},
            LOCAL,
            "unknown key of the backend-config 'metrik': did you mean metric",
        ),
        ({**right, "max_trials": 0}, LOCAL, "max-trials: must be all or a whole number of at least 1, not 0"),
        (right, (*LOCAL, "-e", "nope"), "Could not find nope among entry points"),
    ):
        assert words in mlflows_line(own_uri, folder, config, *options)
    assert every_run(own_uri) == []
    assert no_process(folder)


def test_an_environment_that_cannot_be_built_leaves_no_run(own_uri: str, tmp_path: Path) -> None:
    environment = "python: '3.11'\ndependencies: [no-such-package-of-anybody==0.0.1]\n"
    folder = project(
        tmp_path / "never",
        {"python_env.yaml": environment},
        "x: float",
        "echo {x}",
        "python_env: python_env.yaml",
    )
    line = mlflows_line(own_uri, folder, {"space": {"x": [1, 2]}, "metric": "loss"}, "--env-manager", "uv")
    assert f"the environment of project '{folder}' cannot be built" in line
    assert every_run(own_uri) == []


def test_a_metric_that_is_never_logged_ends_the_study_and_names_those_that_were(own_uri: str) -> None:
    config = {"space": SPACE, "metric": "rmsle", "direction": "minimize", "max_trials": 2}
    line = mlflows_line(own_uri, str(ELASTICNET), config)
    assert "the project logged no metric 'rmsle': it logged rmse" in line
    assert [r.info.status for r in every_run(own_uri)] == ["FAILED"] * 2  # the study, and one trial alone
    assert no_process(str(ELASTICNET))


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ('{"space": ', "does not parse as JSON: Expecting value: line 1 column 11"),
        ("[1]", "holds no object"),
        ("broken.json", "does not parse as JSON: Expecting value: line 1 column 11"),
        ("list.json", "holds no object"),
        ("nothere.json", "cannot be read: No such file or directory"),
    ],
)
def test_a_config_that_mlflow_cannot_read_is_one_line(config: str, reason: str) -> None:
    Path("broken.json").write_text('{"space": ')
    Path("list.json").write_text("[1]")
    with pytest.raises(SystemExit, match=re.escape(f"Error: backend-config {config!r} {reason}")):
        refuse_config(["mlflow", "run", str(ELASTICNET), "--backend", "hpo", "--backend-config", config])


def test_mlflow_says_that_line_alone_and_makes_no_run(own_uri: str) -> None:
    command = ["mlflow", "run", str(ELASTICNET), "--backend", "hpo", "--backend-config", "[1]"]
    done = run_command(command, own_uri, Path.cwd())
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: backend-config '[1]' holds no object")
    assert every_run(own_uri) == []


def test_the_config_of_another_backend_is_not_looked_at() -> None:
    Path("list.json").write_text("[1]")
    refuse_config(["mlflow", "run", str(ELASTICNET), "--backend-config", "list.json", "-b", "local"])


def test_the_command_line_refuses_in_one_line(own_uri: str) -> None:
    Path("space.yaml").write_text(json.dumps({"alfa": [1, 2]}))
    of = ("search", "--project", str(ELASTICNET), *LOCAL, "--space", "space.yaml")
    assert "'alfa' is no parameter" in one_line_error(hpo(own_uri, *of, "--metric", "rmse"))
    assert "metric: name the metric" in one_line_error(hpo(own_uri, *of))
    assert "space: a project brings none" in one_line_error(
        hpo(own_uri, "search", "--project", str(ELASTICNET), *LOCAL, "--metric", "rmse")
    )
    assert "-P 'alpha': expected NAME=VALUE" in one_line_error(hpo(own_uri, *of, "-P", "alpha"))
    assert "--entry-point is for a --project" in one_line_error(hpo(own_uri, "search", "-e", "main"))
    assert every_run(own_uri) == []
