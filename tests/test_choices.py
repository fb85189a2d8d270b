"""A choice of ten thousand options is read and searched as one of ten."""

import time
from functools import cache
from statistics import median

import pytest

from mlflow_hpo.algorithms import ALGORITHMS, GRID, algorithm, propose
from mlflow_hpo.space import Space, parse_space
from mlflow_hpo.trial import State, Trial

MANY, TRIALS = 10_000, 20  # more than half of which are proposed by a model
FLOAT = "{type: float, low: 0.0, high: 1.0}"
NUMBERS = f"\nx: {FLOAT}\ny: {FLOAT}"
KINDS = ["plain", "nested"]


@cache
def space(kind: str, size: int) -> Space:
    below = "" if kind == "plain" else f": {{z: {FLOAT}}}"
    return parse_space("a:\n" + "\n".join(f"  - o{i}{below}" for i in range(size)) + NUMBERS, "s")


def study(name: str, known: Space) -> tuple[list[Trial], float]:
    """Trials, and the seconds that a proposal took."""
    found, trials, taken = algorithm(name), list[Trial](), list[float]()
    for number in range(TRIALS):
        begin = time.perf_counter()
        config = propose(found, known, trials, number, 0)
        taken.append(time.perf_counter() - begin)
        assert config is not None
        assert known.fault(config) == ""
        trials.append(Trial(number, "", State.FINISHED, config, {"loss": {1: config["x"]}}))
    return trials, median(taken)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*ALGORITHMS, GRID])
def test_a_proposal_takes_no_longer(name: str, kind: str) -> None:
    """The bound is far above what is measured, and far below the thousand times that there are options."""
    _, few = study(name, space(kind, 10))
    trials, many = study(name, space(kind, MANY))
    assert len({t.config["a"] for t in trials}) > 1
    assert many < 10 * few + 0.02


def test_a_value_is_found_among_many_and_its_type_counts() -> None:
    choice = space("plain", MANY).leaves["a"]
    assert choice.encode("o9999") == MANY - 1
    mixed = parse_space("a: [1, 1.5, true, '1', [1], [true], null]", "s").leaves["a"]
    values = [1, 1.5, True, "1", [1], [True], None]
    assert [mixed.encode(value) for value in values] == list(range(7))
    assert [mixed.encode(value) for value in (2, [1.5], {"a": 1}, [[1]])] == [None] * 4
