"""A study is shown from the store alone, and a model's space without training."""

import sys
from pathlib import Path

import yaml
from conftest import hpo, one_line_error
from drivers import begun, running_after, wait_until

from mlflow_hpo.store import Connection

OBJECTIVE = """
import time
def objective(trial):
    for epoch in range(1, 6):
        time.sleep(0.5)
        trial.report(epoch, {"loss": trial.config["x"]})
def build(units=4, rate=0.1):
    return units * rate
"""


def test_a_running_study_is_followed_to_its_end_and_one_that_is_over_is_shown(
    job_uri: str, tmp_path: Path
) -> None:
    (tmp_path / "own.py").write_text(OBJECTIVE)
    (tmp_path / "space.yaml").write_text("x: [1, 2, 3]")
    own = [f"--model={tmp_path}/own.py:objective", f"--space={tmp_path}/space.yaml", "--workers=1"]
    with begun([sys.executable, "-m", "mlflow_hpo", "search", *own, "--max-trials=3"], job_uri) as driver:
        wait_until(running_after(job_uri, 0))
        followed = hpo(job_uri, "show", "--follow")
        driver.wait(240)
    assert followed.returncode == 0, followed.stderr
    lines = followed.stdout.splitlines()
    assert lines[0].endswith(", running")
    assert any(line.startswith("it is over: finished") for line in lines)
    assert "3/3 trials" in followed.stdout
    assert "best: trial " in followed.stdout
    again = hpo(job_uri, "show", "latest")
    assert again.stdout.splitlines()[0].endswith(", finished")
    assert "no study 'nobody'" in one_line_error(hpo(job_uri, "show", "nobody"))


def test_the_space_of_a_model_is_printed_and_nothing_is_trained(job_uri: str, tmp_path: Path) -> None:
    shown = hpo(job_uri, "space", "mlp").stdout
    space, _, baseline = shown.rpartition("# baseline: ")
    assert {"layers", "units", "learning_rate"} <= yaml.safe_load(space).keys()
    assert "units=64" in baseline
    (tmp_path / "own.py").write_text(OBJECTIVE)
    (tmp_path / "space.yaml").write_text("units: [1, 2]")
    own = hpo(job_uri, "space", f"{tmp_path}/own.py:build", "--space", f"{tmp_path}/space.yaml")
    assert own.stdout.splitlines()[-1] == "# baseline: units=4"
    bare = hpo(job_uri, "space", f"{tmp_path}/own.py:build").stdout
    assert bare == f"# {tmp_path}/own.py:build brings no space: it takes units=4 rate=0.1\n"
    asks = hpo(job_uri, "space", f"{tmp_path}/own.py:objective").stdout
    assert (
        asks == f"# {tmp_path}/own.py:objective brings no space: it asks for its hyperparameters as it runs\n"
    )
    assert not Connection(job_uri).client.search_runs(["0", "1"])
