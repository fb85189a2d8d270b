"""Gives bad inputs of every kind: each is to end in one clear line and a status, and to leave nothing.

They are options, spaces, configs, tables, filters, settings and data from Python, and changed tags.
"""

import os
import random
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import mlflow

from attack.bad_inputs import KINDS, Place, what_is_returned
from attack.score import Score, run
from mlflow_hpo.errors import LONGEST_SHOWN

MOST_LINES = 11  # ten faults of a file, and how many more there are


def attack(rounds: int, seed: int) -> Score:
    """Gives so many bad inputs, of one kind after the other."""
    score, draw = Score("bad inputs"), random.Random(seed)
    with _place() as place:
        for number in range(rounds):
            kind, state = KINDS[number % len(KINDS)].__name__, draw.getrandbits(32)
            with score.round(f"{kind}, drawn with {state}"):
                _give(KINDS[number % len(KINDS)], state, place)
    return score


def _give(kind, state: int, place: Place) -> None:  # type: ignore[no-untyped-def]
    stored, folders = place.stored(), place.folders()
    try:
        said, thing = kind(random.Random(state), place)
    except AssertionError:
        raise
    except BaseException as error:
        raise AssertionError(f"raised {type(error).__name__}: {str(error)[:300]}") from error
    lines = said.split("\n")
    assert len(lines) <= (MOST_LINES if "space" in said or "start" in said else 1), said[:500]
    assert "Traceback" not in said, said[:500]
    assert max(map(len, lines)) < LONGEST_SHOWN + 100, f"{max(map(len, lines))} characters"
    assert thing in said.lower(), f"{thing!r} is not named: {said[:300]}"
    assert "".join(lines).replace("\t", "").isprintable(), f"it steers a terminal: {said[:300]!r}"
    if kind is not what_is_returned:  # there, a trial failed
        assert place.stored() == stored, f"the store changed: {said[:200]}"
    assert place.folders() <= folders, f"left {place.folders() - folders}"


@contextmanager
def _place() -> Iterator[Place]:
    folder, before, uri = Path(tempfile.mkdtemp(prefix="fuzz-")), Path.cwd(), mlflow.get_tracking_uri()
    os.chdir(folder)
    temporary, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield Place(folder)
    finally:
        os.chdir(before)
        tempfile.tempdir = temporary
        mlflow.set_tracking_uri(uri)
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    run(attack, "inputs", 500)
