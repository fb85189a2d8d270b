"""A short round of each attack; `python tests/attack/NAME.py` runs a long one."""

import importlib

import pytest

ROUNDS = {  # of tests/attack/NAME.py: each takes some twenty seconds at most
    "fuzz": 57,
    "kills": 1,
    "lost_answers": 1,
    "second_drivers": 1,
    "signals": 1,
    "worker_faults": 2,
    "outages": 1,
    "disks": 1,
    "splits": 60,
    "postgres": 1,
}


@pytest.mark.parametrize("name", ROUNDS)
def test_nothing_is_lost(name: str) -> None:
    score = importlib.import_module(f"attack.{name}").attack(ROUNDS[name], seed=1)
    assert score.tried >= ROUNDS[name]
    assert not score.lost, str(score)
