"""A study of short trials, which report, log and leave checkpoints as long ones do; is it whole?"""

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from conftest import environment
from drivers import study_in, trials_in

from attack.jobs import check_folders, check_processes
from mlflow_hpo.trial import State

OBJECTIVE = """
import random, time
import mlflow

def objective(trial):
    kept = trial.checkpoint / "kept"
    if trial.start and len(kept.read_bytes()) != {size}:
        raise ValueError("the checkpoint is damaged")
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep({seconds})
        mlflow.log_metric("own", epoch, step=epoch)
        kept.write_bytes(random.randbytes({size}))
        if not trial.report(epoch, {{"loss": (trial.config["x"] - 1) ** 2 + 1 / epoch}}):
            return
"""
EPOCHS, TEMPORARY = 4, "tmp"


def search(folder: Path, trials: int, workers: int, seconds: float = 0.3, size: int = 1000) -> list[str]:
    """The command that begins the study.

    Args:
        seconds: that an epoch takes.
        size: of a checkpoint, in bytes.
    """
    (folder / "light.py").write_text(OBJECTIVE.format(seconds=seconds, size=size))
    (folder / "light.yaml").write_text("x: {type: float, low: 0, high: 3}\n")
    files = ["--model", f"{folder}/light.py:objective", "--space", f"{folder}/light.yaml"]
    sizes = ["--max-trials", str(trials), "--max-epochs", str(EPOCHS), "--workers", str(workers)]
    return hpo("search", *files, *sizes, "--metric", "loss", "--scheduler", "asha", "--eta", "2")


def hpo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlflow_hpo", *arguments]


def begin(command: list[str], uri: str, folder: Path, **more: str) -> "subprocess.Popen[str]":
    (folder / TEMPORARY).mkdir(exist_ok=True)
    more = {"TMPDIR": str(folder / TEMPORARY), **more}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, env=environment(uri, **more), cwd=folder, text=True, **pipes)  # type: ignore[call-overload,no-any-return]


def ended(process: "subprocess.Popen[str]") -> "subprocess.CompletedProcess[str]":
    out, err = process.communicate(timeout=600)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def wait_for_trials(uri: str, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(trials_in(uri)) < count:
        assert time.monotonic() < deadline, "no trial began"
        time.sleep(0.3)


def command_that_goes_on(done: "subprocess.CompletedProcess[str]") -> list[str]:
    assert done.returncode == 1, done
    last = done.stderr.splitlines()[-1]
    assert last.startswith("Error: "), done.stderr
    assert "; go on with: mlflow-hpo resume " in last, done.stderr
    return hpo(*last.rpartition("mlflow-hpo ")[2].split())


def check_clean(done: "subprocess.CompletedProcess[str]") -> None:
    """Nothing of SQLAlchemy, MLflow or Python is on the terminal."""
    for word in ("Traceback", "sqlalche.me", "WARNING", "ERROR", "INFO"):
        assert word not in done.stdout + done.stderr, f"{word}: {done.stdout[-500:]} {done.stderr[-1500:]}"


def check_nothing_left(uri: str, folder: Path) -> None:
    """The last steps of a command are done, whatever went wrong before: nothing of it runs or lies about."""
    check_processes(uri)
    check_folders(folder / TEMPORARY)


def check_whole(uri: str, trials: int) -> None:
    """Each trial is there once, is over, and has each of its epochs; nothing is left running."""
    study = study_in(uri)
    client, known = study.connection.client, study.trials.load()
    assert [t.number for t in known] == list(range(trials)), [t.number for t in known]
    bad = [
        f"{t.number} {t.state} {t.reason}" for t in known if t.state not in (State.FINISHED, State.STOPPED)
    ]
    assert not bad, bad
    runs = client.search_runs([study.experiment_id], max_results=1000)
    statuses = Counter(run.info.status for run in runs)
    assert statuses == {"FINISHED": trials + 1}, statuses
    for trial in known:
        for metric in ("loss", "own"):
            steps = {m.step for m in client.get_metric_history(trial.run_id, metric)}
            assert steps == set(range(1, trial.epochs + 1)), f"{trial.number} {metric} {steps}"
