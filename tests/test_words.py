"""What users read: numbers in the singular, and the line that says why."""

from pathlib import Path

import pytest

from mlflow_hpo.objectives.project.run import telling_line
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.report.summary import when
from mlflow_hpo.trial import State, Trial, epochs_text


def test_a_whole_number_is_passed_as_a_float_where_mlproject_says_so(tmp_path: Path) -> None:
    parameters = "{rate: {type: float, default: 1.0}, depth: {type: int, default: 2}}"
    entry = (
        f"name: p\nentry_points: {{main: {{parameters: {parameters}, command: 'run {{rate}} {{depth}}'}}}}\n"
    )
    (tmp_path / "MLproject").write_text(entry)
    prepared = Prepared(str(tmp_path), "main", "", "", str(tmp_path))
    assert prepared.command({"rate": 1, "depth": 3}) == "run 1.0 3"


def test_one_epoch_is_no_plural() -> None:
    assert [epochs_text(n) for n in (0, 1, 2)] == ["0 epochs", "1 epoch", "2 epochs"]
    assert when(Trial(0, "a", State.FINISHED, {}, {"loss": {1: 1.0}})) == "after 1 epoch"


RAISED = """begins
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    int("x")
ValueError: invalid literal
"""


@pytest.mark.parametrize(
    ("output", "line"),
    [
        (RAISED, "ValueError: invalid literal"),
        (RAISED + "View run at http://host/runs/1\nbye\n", "ValueError: invalid literal"),
        ("    int('x')\npackage.OddError: what it was\nbye", "package.OddError: what it was"),
        ("usage: train.py\ntrain.py: error: unrecognized arguments: --x\nbye", "train.py: error: unrec"),
        ("half is no good\n\n", "half is no good"),
        ("", ""),
    ],
)
def test_a_failed_projects_output_is_cut_to_the_line_that_says_why(output: str, line: str) -> None:
    assert telling_line(output).startswith(line)
    assert bool(telling_line(output)) == bool(line)
