"""Sends SIGTERM and SIGINT to every command at random moments: it ends soon, and says how to go on."""

import os
import random
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from attack.jobs import Place, places
from attack.score import Score, run

TREE = (
    "--model sklearn.tree:DecisionTreeClassifier --data digits --space space.yaml --seed 3 "
    "--resource samples --scheduler halving --max-epochs 9 --workers 2 --top-k 2"
)
SPACE = "max_depth: [1, 2, 3, 4, 5, 6, 7, 8]\nmin_samples_leaf: [1, 2, 4]\n"
NUMBERS = [signal.SIGINT, signal.SIGTERM]
ENDS_SECONDS = 20  # after the signal; the machine may be busy
ENDED, LAST_SECONDS = (0, 1), 0.5  # there is nothing to roll back; how long Python itself takes to end
# A command -> the seconds that it takes when it is left alone.
COMMANDS = {
    f"search {TREE} --max-trials 6": 10.0,
    f"search {TREE} --max-trials 2 --register tree --final true": 14.0,
    "resume latest --max-trials 8": 9.0,
    "report latest --register tree --top-k 3": 12.0,
    "report latest --html page.html": 5.0,
    "replay latest:1": 8.0,
    "doctor": 4.0,
    "rollback tree": 2.0,
}


def saved(place: Place) -> Path:
    """A copy of a place with a finished study."""
    (place.folder / "space.yaml").write_text(SPACE)
    done = place.ended(*shlex.split(f"search {TREE} --max-trials 4"))
    assert done.returncode == 0, done.stderr
    return Path(shutil.copytree(place.folder, place.folder.with_name("saved")))


def cut(place: Place, command: str, seconds: float, number: int, everyone: bool) -> None:
    with place.begin(*shlex.split(command)) as process:
        with suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=seconds)
            return  # it had ended before
        if process.poll() is not None:
            return
        (os.killpg if everyone else os.kill)(process.pid, number)
        sent = time.monotonic()
        try:
            _, said = process.communicate(timeout=ENDS_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"it goes on {ENDS_SECONDS} s after the signal") from None
    if process.returncode in ENDED and time.monotonic() - sent < LAST_SECONDS:
        return  # it had done all that it was to do
    if process.returncode == -number and not said:
        return  # Python's own first and last moments: a shell says 128 + the signal of that, too
    assert process.returncode == 128 + number, f"exit status {process.returncode}: {said[-300:]}"
    lines = said.strip().splitlines()
    assert len(lines) == 1, f"it said {said[-600:]!r}"
    assert f"interrupted by {signal.Signals(number).name}" in lines[0], lines[0]
    place.check_processes()
    place.check_folders()
    running = [run.info.run_name for run in place.running()]
    assert not running, f"RUNNING for ever: {running}"
    go_on(place, lines[0])


def go_on(place: Place, said: str) -> None:
    _, words, command = said.partition("; go on with: mlflow-hpo ")
    if words:
        done = place.ended(*shlex.split(command))
        assert done.returncode in (0, 3), f"{command}: {done.stderr[-300:]}"
        assert not place.running(), f"RUNNING after {command}"


def attack(rounds: int, seed: int) -> Score:
    """A round is a signal, to a command that begins on a store with a finished study."""
    draw, score = random.Random(seed), Score("signals")
    with places() as new:
        place = new("place")
        before = saved(place)
        commands = list(COMMANDS)
        for round_ in range(rounds):
            if round_ % len(commands) == 0:
                draw.shuffle(commands)
            command = commands[round_ % len(commands)]
            seconds, number = draw.uniform(0.2, COMMANDS[command]), draw.choice(NUMBERS)
            everyone = draw.random() < 0.3
            shutil.rmtree(place.folder)
            shutil.copytree(before, place.folder)
            to = "the process group" if everyone else "the process"
            with score.round(f"{round_}: {number.name} to {to} after {seconds:.1f} s of {command}"):
                cut(place, command, seconds, number, everyone)
    return score


if __name__ == "__main__":
    run(attack, "signals", 100)
