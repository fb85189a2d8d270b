"""What the terminal shows: a live picture where there is one, plain lines elsewhere."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.terminal import Display, print_end
from mlflow_hpo.trial import State, Trial

CONFIG = {"units": 32, "learning_rate": 0.00123456}
TRIALS = [
    Trial(0, "a", State.FINISHED, CONFIG, {"loss": {2: -0.9}}, 2.0, model_uri="models:/m-1"),
    Trial(1, "b", State.FAILED, CONFIG, reason="loss became [nan] at epoch 1"),
    Trial(2, "c", State.RUNNING, CONFIG),
]


def shown(start: Callable[..., Study], terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    study = start()
    study.run.name = "[/shown]"  # what rich would take for markup
    with Display(console) as display:
        display.began(study)
        for trial in TRIALS:
            study.trials[trial.number] = trial
            display.changed(trial)
            display.tick()
    print_end(console, study)
    return out.getvalue()


def test_without_a_terminal_there_is_a_line_for_each_change(start: Callable[..., Study]) -> None:
    lines = shown(start, terminal=False).splitlines()
    assert lines[0].startswith("study [/shown] (")
    assert lines[1].split() == [
        "trial", "0", "finished", "val_accuracy", "0.9000", "2.0", "s", "units=32", "learning_rate=0.001235",
    ]  # fmt: skip
    assert "trial   1 failed   loss became [nan] at epoch 1" in lines[2]
    assert not any("trial   2" in line for line in lines)
    assert not any("\x1b" in line for line in lines)
    assert any("mlflow-hpo report" in line for line in lines)


def test_a_terminal_shows_what_runs_and_the_best_so_far(start: Callable[..., Study]) -> None:
    text = shown(start, terminal=True)
    assert "\x1b[" in text
    assert "2/3 trials" in text
    assert "trial 2" in text
    assert "best: trial 0" in text
    assert "1 failed" in text


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_cut_off(start: Callable[..., Study], terminal: bool) -> None:
    """A command that is wrapped cannot be copied."""
    assert "--env-manager local --port 5001" in shown(start, terminal)
