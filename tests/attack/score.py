"""What an attack counts and prints: how often it was tried, what survived it, and what was lost.

Each script beside this one has a function `attack(rounds, seed) -> Score`, which `test_attacks.py` calls
with a few rounds, and `run` calls with as many as the command line says.
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass
class Score:
    """The rounds of an attack.

    Attributes:
        lost: one line for each round that broke something.
    """

    name: str
    tried: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def survived(self) -> int:
        return self.tried - len(self.lost)

    def __str__(self) -> str:
        lines = [f"{self.name}: {self.tried} tried, {self.survived} survived, {len(self.lost)} lost"]
        return "\n".join([*lines, *(f"  {line}" for line in self.lost)])

    @contextmanager
    def round(self, what: str) -> Iterator[None]:
        """One round: an assertion that fails in it is what was lost."""
        self.tried += 1
        try:
            yield
        except AssertionError as error:
            self.lost.append(f"{what}: {error}")


def run(attack: Callable[[int, int], Score], name: str, rounds: int) -> None:
    """Runs an attack from the command line; the exit status is 1 if anything was lost.

    Args:
        name: of the option that says how many rounds, such as "kills".
        rounds: if it is not given.
    """
    parser = argparse.ArgumentParser(description=(sys.modules["__main__"].__doc__ or "").split("\n")[0])
    parser.add_argument(f"--{name}", type=int, default=rounds, dest="rounds", metavar="N")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn at random")
    given = parser.parse_args()
    score = attack(given.rounds, given.seed)
    print(score)
    sys.exit(bool(score.lost))
