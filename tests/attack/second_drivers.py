"""Has two drivers resume one killed study in the same moment, on one machine or on two (as containers are).

The study must end with each trial once, trained by one driver.
"""

import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from conftest import environment
from drivers import begun, study_in, trials_in, wait_until
from stores import copied, migrated

from attack.score import Score, run
from mlflow_hpo.trial import State

OBJECTIVE = """
import time

def objective(config):
    time.sleep(0.2)
    return (config["x"] - 1) ** 2
"""
TRIALS = 12
ELSEWHERE = ("unshare", "--map-root-user", "--pid", "--fork", "--mount-proc", "--uts")  # as in a container


def elsewhere(command: list[str]) -> list[str]:
    """A command as it runs on another machine, as far as a study can tell."""
    return [*ELSEWHERE, "sh", "-c", 'hostname "elsewhere$$"; exec "$@"', "sh", *command]


def can_be_elsewhere() -> bool:
    if not shutil.which(ELSEWHERE[0]):
        return False
    return subprocess.run(elsewhere(["true"]), capture_output=True).returncode == 0


def hpo(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "mlflow_hpo", *arguments]


def search(folder: Path) -> list[str]:
    (folder / "x.py").write_text(OBJECTIVE)
    (folder / "x.yaml").write_text("x: {type: float, low: 0, high: 3}\n")
    asked = ["--max-trials", str(TRIALS), "--workers", "1"]
    return hpo("search", "--model", f"{folder}/x.py:objective", "--space", f"{folder}/x.yaml", *asked)


def killed_study(folder: Path) -> tuple[str, str]:
    """A store with a study whose driver was killed; and its run id."""
    uri = copied(migrated(folder.parent), folder)
    with begun(search(folder), uri):
        wait_until(lambda: sum(t.state is State.FINISHED for t in trials_in(uri)) >= 3)
    return uri, study_in(uri).run_id


def race(uri: str, commands: list[list[str]]) -> list[tuple[int, str]]:
    """Begins all in the same moment; returns how each ended, and what it said of errors."""
    processes = [
        subprocess.Popen(
            c, env=environment(uri), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
        )
        for c in commands
    ]
    said = [process.communicate()[1] for process in processes]
    return [(process.returncode, words) for process, words in zip(processes, said, strict=True)]


def check(uri: str, ends: list[tuple[int, str]]) -> None:
    assert 0 in [status for status, _ in ends], f"nobody went on: {ends}"
    refused = [words for status, words in ends if status]
    assert all("is being run by" in words or "taken over" in words for words in refused), refused
    study = study_in(uri)
    runs = study.connection.client.search_runs([study.experiment_id], max_results=1000)
    numbers = Counter(run.data.tags.get("mlflow_hpo.trial") for run in runs) - Counter([None])
    assert all(count == 1 for count in numbers.values()), f"trials with several runs: {numbers}"
    states = Counter(trial.state for trial in study.trials.load())
    assert states == {State.FINISHED: TRIALS}, states
    assert not [run.info.run_id for run in runs if run.info.status == "RUNNING"]


def attack(rounds: int, seed: int) -> Score:
    """Every sixth race is one of two machines, where that can be had."""
    score, resume = Score("second drivers"), hpo("resume", "latest")
    apart = can_be_elsewhere()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            two = apart and number % 6 == 0
            (place := Path(folder, str(number))).mkdir()
            with score.round(f"race {number} on {'two machines' if two else 'one machine'}"):
                uri, _ = killed_study(place)
                other = elsewhere(resume) if two else resume
                check(uri, race(uri, [resume, other]))
    return score


if __name__ == "__main__":
    run(attack, "races", 60)
