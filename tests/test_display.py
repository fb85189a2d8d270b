"""The progress of a study: live on a terminal, plain lines elsewhere, one block in a notebook."""

import html
import io
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace

import pytest
from plans import make_info
from rich.console import Console

from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.notebook import as_html
from mlflow_hpo.study.progress import Progress
from mlflow_hpo.study.terminal import Display, print_end
from mlflow_hpo.trial import State, Trial

CONFIG = {"units": 32, "learning_rate": 0.00123456}
TRIALS = [
    Trial(0, "a", State.FINISHED, CONFIG, {"val_accuracy": {2: -0.9}}, 2.0, model_uri="models:/m-1"),
    Trial(1, "b", State.FAILED, CONFIG, reason="loss became [nan] at epoch 1"),
    Trial(2, "c", State.RUNNING, CONFIG),
]


def shown(start: Callable[..., Study], terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=terminal, width=100)
    study = start({"workers": 1})
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
    assert lines[0].endswith("): 3 trials of mlp on digits, auto, 2 epochs each, 1 worker")
    assert lines[1].startswith("algorithm auto: gp, as with ")
    assert lines[2].split() == [
        "trial", "0", "finished", "val_accuracy", "0.9000", "2.0", "s", "units=32", "learning_rate=0.001235",
    ]  # fmt: skip
    assert "trial   1 failed   loss became [nan] at epoch 1" in lines[3]
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


PROGRESS = Progress(
    "nosy-whale",
    make_info({"max_trials": 6, "max_epochs": 2}),
    TRIALS,
    resumed=0,
    seconds=60,
    unit_seconds={2: 5},
)


def drawn(progress: Progress) -> list[str]:
    console = Console(file=io.StringIO(), width=100)
    with console.capture() as capture:
        console.print(progress)
    return capture.get().splitlines()


def test_the_progress_has_counts_time_what_runs_and_the_best() -> None:
    bar, running, best = drawn(PROGRESS)
    assert bar.split()[1:] == ["2/6", "trials", "1:00,", "about", "2:00", "left"]
    assert running.split() == ["trial", "2", "0:05", "units=32", "learning_rate=0.001235"]
    assert (
        best == "best: trial 0, val_accuracy 0.9000 after 2 epochs; baseline 0.9000, gain +0.0000, 1 failed"
    )


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"trials": TRIALS[2:]}, "starting workers"),
        ({"resumed": 2}, "going on"),
        ({"resumed": 1}, "about 4:00 left"),
        ({"info": make_info({"max_trials": 2})}, "ending"),
        ({"info": make_info({"max_trials": 2, "scheduler": "asha"})}, "promoted trials go on"),
    ],
)
def test_the_time_left_counts_what_this_driver_did(changes: dict[str, object], left: str) -> None:
    assert replace(PROGRESS, **changes).time_left == left  # type: ignore[arg-type]


def test_without_a_result_there_is_no_best() -> None:
    assert replace(PROGRESS, trials=TRIALS[2:]).headline == "no trial finished yet"


def test_a_notebook_shows_the_same_and_the_five_best_without_a_script() -> None:
    config = {"units": 32, "[red]": "<script>"}
    trials = [Trial(n, "r", State.FINISHED, config, {"val_accuracy": {2: n / 10 - 1}}) for n in range(6)]
    block = as_html(replace(PROGRESS, trials=[*trials, replace(TRIALS[2], number=6)], unit_seconds={6: 5}))
    assert "<script" not in block
    lines = html.unescape(re.sub("<[^>]+>", "", block)).strip().splitlines()
    assert lines[0] == "study nosy-whale"
    assert "6/6 trials" in lines[1]
    assert lines[2].split()[:3] == ["trial", "6", "0:05"]
    assert lines[3].startswith("best: trial 0, val_accuracy 1.0000")
    assert lines[4].split() == ["rank", "trial", "val_accuracy", "epochs", "seconds", "units", "[red]"]
    assert [line.split() for line in lines[5:]] == [
        [str(n + 1), str(n), f"{1 - n / 10:.4f}", "2", "0.0", "32", "<script>"] for n in range(5)
    ]


def test_what_tells_a_notebook_imports_nothing_heavy_and_no_tqdm() -> None:
    code = "import mlflow_hpo.study.notebook, sys; print(*{m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "rich" in done.stdout.split()
    assert not {"mlflow", "hyperopt", "pandas", "numpy", "tqdm"} & set(done.stdout.split())
