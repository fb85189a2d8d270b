"""Kills drivers at random moments, and resumes each study until it ends: it comes out as one left alone."""

import random
import subprocess
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack.jobs import Place, places
from attack.score import Score, run
from mlflow_hpo.trial import Trial

OBJECTIVE = """
import subprocess, sys, time

def objective(trial):
    if trial.start == 0:  # somebody else's process
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    for epoch in range(trial.start + 1, trial.epochs + 1):
        time.sleep(0.1)
        trial.report(epoch, {"loss": (trial.config["x"] - 0.3) ** 2 + trial.config["y"] / epoch})
"""
SPACE = "x: {type: float, low: 0, high: 1}\ny: {type: float, low: 0, high: 1}\n"
SEARCH = [
    "search", "--model", "objective.py:objective", "--space", "space.yaml", "--metric", "loss",
    "--algorithm", "random", "--scheduler", "halving", "--max-trials", "9", "--max-epochs", "9",
    "--workers", "2", "--seed", "3",
]  # fmt: skip
LAST = 20  # rounds more than asked for, until the last study has ended
LONGEST_SECONDS = 9.0  # that a driver lives: more than half of that is its start


def made(place: Place) -> Place:
    (place.folder / "objective.py").write_text(OBJECTIVE)
    (place.folder / "space.yaml").write_text(SPACE)
    return place


def trials(place: Place) -> list[Trial]:
    study = place.study
    return study.trials.load() if study else []


def facts(place: Place) -> dict[int, object]:
    """What must not depend on kills: each trial's config, state and results."""
    return {t.number: (t.config, str(t.state), t.losses) for t in trials(place)}


def go_on(place: Place) -> list[str]:
    return ["resume", "latest"] if place.study else SEARCH


def killed(place: Place, seconds: float) -> bool:
    """Whether the driver was killed; if not, it came to its end before."""
    before = {t.number: t for t in trials(place) if t.is_over}
    with place.begin(*go_on(place)) as driver:
        with suppress(subprocess.TimeoutExpired):
            _, said = driver.communicate(timeout=seconds)
            assert driver.returncode == 0, said.strip()[-300:]
            return False
        driver.kill()
    place.check_processes()
    after = {t.number: t for t in trials(place)}
    lost = [number for number, trial in before.items() if after.get(number) != trial]
    assert not lost, f"lost or trained again: trials {lost}"
    return True


def check_end(place: Place, undisturbed: dict[int, object]) -> None:
    found = facts(place)
    different = [n for n in {*found, *undisturbed} if found.get(n) != undisturbed.get(n)]
    assert not different, f"otherwise than in an undisturbed study: trials {different}"
    study = place.study
    assert study
    for trial in trials(place):
        metric = study.connection.client.get_metric_history(trial.run_id, "loss")
        twice = [step for step, count in Counter(m.step for m in metric).items() if count > 1]
        assert not twice, f"trial {trial.number}: epochs {twice} are recorded twice"
    running = [run.info.run_name for run in place.running()]
    assert not running, f"RUNNING for ever: {running}"
    place.check_processes()
    place.check_folders()


def attack(rounds: int, seed: int) -> Score:
    """A round is a kill; the last one of a study includes its end."""
    draw, score = random.Random(seed), Score("kills")
    with places() as new:
        whole = made(new("whole"))
        done = whole.ended(*SEARCH)
        assert done.returncode == 0, done.stderr
        undisturbed = facts(whole)
        while score.tried < rounds:
            place = made(new(f"study-{score.tried}"))
            goes_on = True
            while goes_on and score.tried < rounds + LAST:
                seconds = draw.uniform(0.5, LONGEST_SECONDS)
                with score.round(f"{score.tried}: kill -9 after {seconds:.1f} s"):
                    goes_on = killed(place, seconds if score.tried <= rounds else 300)
                    if not goes_on:
                        check_end(place, undisturbed)
    return score


if __name__ == "__main__":
    run(attack, "kills", 100)
