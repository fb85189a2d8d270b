"""A notebook, functions defined in it and all, run as Jupyter runs it."""

import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from conftest import environment

nbformat = pytest.importorskip("nbformat", reason="part of the extra test")
nbclient = pytest.importorskip("nbclient", reason="part of the extra test")

SECONDS = 900
DEFINED = """
import mlflow_hpo

OFFSET = 3

def distance(config):
    return abs(config["x"] - OFFSET) + config["y"]
"""
TUNED = """
study = mlflow_hpo.tune(
    distance, {"x": [1, 2, 3, 4], "y": [0, 1]}, algorithm="grid", max_trials=8, workers=2
)
"""
ASKED = """
print(study.best_config, study.best_value, len(study.trials))
study.trials_dataframe()
"""
FAILING = """
mlflow_hpo.tune(distance, {"x": [1, 2]}, max_trials=2, colour="red")
"""


def executed(uri: str, *cells: str, allow_errors: bool = False) -> list[Any]:
    """The outputs of each cell."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = nbclient.NotebookClient(notebook, timeout=SECONDS, allow_errors=allow_errors)
    client.execute(cwd=str(Path.cwd()), env=environment(uri))
    return [cell.outputs for cell in notebook.cells]


def texts(outputs: list[Any], stream: str) -> str:
    return "".join(o.text for o in outputs if o.output_type == "stream" and o.name == stream)


@pytest.mark.slow
def test_a_function_of_the_notebooks_is_tuned_and_the_display_holds_the_best(uri: str) -> None:
    _, tuned, asked = executed(uri, DEFINED, TUNED, ASKED)
    [block] = [o for o in tuned if o.output_type == "display_data"]
    lines = unescape(re.sub("<[^>]+>", "", block.data["text/html"])).strip().splitlines()
    assert lines[0].startswith("study ")
    assert "8/8 trials" in lines[1]
    assert lines[2].startswith("best: trial")  # below what runs: nothing
    assert lines[3].split() == ["rank", "trial", "loss", "epochs", "seconds", "x", "y"]
    rank, _, value, epochs, _, *config = lines[4].split()
    assert (rank, value, epochs, config) == ("1", "0.0000", "1", ["3", "0"])
    assert len(lines) == 9
    assert not texts(tuned, "stderr")
    assert "grid: 8 combinations, of which 7 are tried beside the baseline" in texts(tuned, "stdout")
    assert "mlflow-hpo report" in texts(tuned, "stdout")  # plain lines below the block
    assert "{'x': 3, 'y': 0} 0.0 8" in texts(asked, "stdout")
    [table] = [o for o in asked if o.output_type == "execute_result"]
    assert "run_id" in table.data["text/html"]


@pytest.mark.slow
def test_a_fault_is_one_exception_that_says_what_is_wrong(uri: str) -> None:
    _, failed = executed(uri, DEFINED, FAILING, allow_errors=True)
    [error] = [o for o in failed if o.output_type == "error"]
    assert error.ename == "ConfigError"
    assert "colour" in error.evalue
