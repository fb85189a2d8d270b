"""One bad trial costs one trial: a config that cannot be built or trained, whichever trial ends first."""

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import begun
from plans import make_plan

from mlflow_hpo.errors import ConfigError, SetupError, main_line
from mlflow_hpo.execution.local import LocalExecutor
from mlflow_hpo.store import Connection
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State
from mlflow_hpo.worker.startup import warm_up

Start = Callable[..., Study]
BUILDING = """
import time
from sklearn.tree import DecisionTreeClassifier
class Slow(DecisionTreeClassifier):
    def fit(self, x, y):
        time.sleep(3 * (len(y) > 400))
        return super().fit(x, y)
def tree(depth=1, limit=1):
    if depth > limit:
        raise ValueError(f"{depth} is too deep")
    return Slow(max_depth=depth)
"""
DEEP = "depth: [1, 2, 3, 4, 5, 6, 7, 8]"


@pytest.fixture
def tree(tmp_path: Path) -> str:
    (tmp_path / "building.py").write_text(BUILDING)
    return f"{tmp_path}/building.py:tree"


def test_a_good_trial_is_not_ended_by_bad_ones_that_are_faster(
    connection: Connection, experiment: str, tree: str
) -> None:
    options = {"model": tree, "data": "digits", "algorithm": "grid", "max_trials": 8}
    spec = make_plan({}).spec
    with LocalExecutor(2, warm_up, (spec, 1)) as workers:
        study = begun(connection, experiment, make_plan(options, DEEP, workers), workers)
        study.drive()
    assert study.trials[0].state is State.FINISHED
    assert {t.state for t in study.known[1:]} == {State.FAILED}
    assert {t.reason for t in study.known[1:]} == {f"ValueError: {n} is too deep" for n in range(2, 9)}
    assert study.run.state == "finished"


def test_a_bad_config_fails_its_trial_in_folds_too(start: Start, tree: str) -> None:
    options = {"model": tree, "data": "digits", "algorithm": "grid", "folds": 2, "max_trials": 3}
    study = start(options, "depth: [1, 2, 3]")
    study.drive()
    assert [t.state for t in study.known] == [State.FINISHED, State.FAILED, State.FAILED]


def test_a_baseline_that_cannot_be_built_is_said_before_any_trial(start: Start, tree: str) -> None:
    with pytest.raises(SetupError, match="cannot be fitted to data 'digits': ValueError: 1 is too deep"):
        start({"model": tree, "data": "digits"}, "depth: [1, 2]\nlimit: 0")


def test_mistakes_after_a_trial_that_succeeded_are_their_trials_however_many(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "silent.py").write_text(
        "def objective(config):\n    return 1 if config['x'] == 1 else None\n"
    )
    options = {"model": f"{tmp_path}/silent.py:objective", "algorithm": "grid", "max_trials": 9}
    study = start(options, "x: [1, 2, 3, 4, 5, 6, 7, 8, 9]")
    study.drive()
    assert [t.state for t in study.known] == [State.FINISHED] + [State.FAILED] * 8


def test_what_the_first_training_does_not_report_ends_the_study_also_after_one_that_failed(
    start: Start, tmp_path: Path
) -> None:
    (tmp_path / "silent.py").write_text(
        "def objective(trial):\n"
        "    if trial.config['x'] == 1:\n        raise ValueError('bad')\n"
        "    trial.report(1, {'f1': 1})\n"
    )
    study = start({"model": f"{tmp_path}/silent.py:objective", "algorithm": "grid"}, "x: [1, 2, 3]")
    with pytest.raises(SetupError, match="training reported no metric 'loss': it reported f1"):
        study.drive()
    assert [t.state for t in study.known] == [State.FAILED] * 2


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("one line", "one line"),
        ("a line\nand more of it", "a line"),
        ("", ""),
        ("   indented\n  all of it", "indented"),
        (
            "Exception encountered when calling MaxPooling2D.call().\n\n\x1b[1mThe output would be negative."
            "\x1b[0m\n\nArguments received by MaxPooling2D.call():\n  • args=('x',)",
            "The output would be negative.",
        ),
        (
            "Exception encountered when calling L.call().\n\nCould not infer it. Error encountered:\n\n"
            "Dimensions must be equal, but are 2 and 9\n\nArguments received by L.call():",
            "Dimensions must be equal, but are 2 and 9",
        ),
        (
            "Graph execution error:\n\nDetected at node a/b defined at (most recent call last):\n"
            '  File "own.py", line 12, in <module>\n\nindices[1,0] = 7 is not in [0, 3)\n\t [[{{node a/b}}]]',
            "indices[1,0] = 7 is not in [0, 3)",
        ),
        (
            "the first\nExpected shape (None, 5), but found (8, 8)",
            "Expected shape (None, 5), but found (8, 8)",
        ),
    ],
)
def test_of_an_error_the_line_is_shown_that_says_what_is_wrong(message: str, line: str) -> None:
    assert main_line(ConfigError(message)) == line
