"""Swallows answers of the tracking server: in round N, the Nth answer to each kind of request.

A study, its registration and its resume must come out as they do undisturbed.
"""

import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import served
from conftest import environment
from stores import copied, migrated

from attack.proxy import proxied
from attack.score import Score, run
from mlflow_hpo.store import LATEST, Connection, find_study

OBJECTIVE = Path(__file__).parents[2] / "examples" / "function"
CODE = f"--model {OBJECTIVE}/objective.py:objective --space {OBJECTIVE}/space.yaml"
SETTINGS = "--metric val_accuracy --max-trials 3 --max-epochs 4 --scheduler asha --seed 3 --workers 1"
SEARCH = f"search {CODE} {SETTINGS} --register digits --top-k 2"
COMMANDS = (SEARCH, f"resume {LATEST} --max-trials 4", f"replay {LATEST}:0")
ENDS = (0, 3)  # the gate refuses the resume's model if it is the one that it has registered
NAMED = {"MLFLOW_EXPERIMENT_NAME": "attacked"}  # which is to be created


class Swallower:
    """Swallows the Nth answer to each kind of request that changes something, and counts what it saw."""

    def __init__(self, nth: int) -> None:
        self._nth, self._lock = nth, Lock()
        self.seen = Counter[str]()

    def __call__(self, kind: str) -> bool:
        with self._lock:
            self.seen[kind] += 1
            return self.seen[kind] == self._nth


def outcome(folder: Path, nth: int, commands: Sequence[str] = COMMANDS) -> tuple[Any, int]:
    """What a study leaves in a store of its own, and how many answers were swallowed."""
    uri, swallower = copied(migrated(folder.parent), folder), Swallower(nth)
    with served(uri, folder) as server, proxied(server, swallower) as address:
        done = [hpo(address, *command.split()) for command in commands]
    said = [f"{d.args[3]}: {d.returncode} {d.stderr[-600:] * (d.returncode not in ENDS)}" for d in done]
    lost = sum(count >= nth for count in swallower.seen.values()) if nth else 0
    return {"commands": said, **left_in(uri)}, lost


def hpo(uri: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "mlflow_hpo", *arguments]
    return subprocess.run(command, env=environment(uri, **NAMED), capture_output=True, text=True)


def left_in(uri: str) -> dict[str, Any]:
    connection = Connection(uri)
    client, study = connection.client, find_study(connection, LATEST)
    trials = study.trials.load()
    runs = client.search_runs([study.experiment_id], max_results=1000)
    versions = client.search_model_versions("name = 'digits'")
    curves = {t.number: client.get_metric_history(t.run_id, "val_accuracy") for t in trials}
    return {
        "trials": [(t.number, str(t.state), t.results, dict(t.config)) for t in trials],
        "curves": {n: [(m.step, m.value) for m in curve] for n, curve in curves.items()},
        "runs": Counter(run.info.status for run in runs),
        "models": Counter(str(m.status) for m in connection.models(study.experiment_id, "")),
        "versions": [v.version for v in versions],
        "aliases": client.get_registered_model("digits").aliases,
        "registrations": [(r.version, r.trial, dict(r.scores)) for r in study.registrations],
    }


def attack(rounds: int, seed: int) -> Score:
    score, commands = Score("lost answers"), COMMANDS if rounds > 1 else COMMANDS[:1]  # a short round
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, _ = outcome(_new(folder, "undisturbed"), 0, commands)
        for nth in range(1 + seed, 1 + seed + rounds):
            with score.round(f"answer {nth} of each kind"):
                found, lost = outcome(_new(folder, str(nth)), nth, commands)
                assert lost, "nothing was swallowed"
                differs = [name for name in undisturbed if found[name] != undisturbed[name]]
                assert not differs, "; ".join(f"{n} {found[n]}, not {undisturbed[n]}" for n in differs)
    return score


def _new(folder: str, name: str) -> Path:
    path = Path(folder, name)
    path.mkdir()
    return path


if __name__ == "__main__":
    run(attack, "rounds", 5)
