"""Takes the store away for seconds, at random moments: a server, or a SQLite file that is locked."""

import random
import sqlite3
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from browser import served
from stores import copied, migrated

from attack.light import begin, check_clean, check_nothing_left, check_whole, ended, search, wait_for_trials
from attack.proxy import Proxy
from attack.score import Score, run

TRIALS, WORKERS = 10, 2
OUTAGES = 3  # of a study
LONGEST = 30.0  # seconds; SQLite itself waits twenty for a lock
Away = Callable[[float], None]  # takes the store away for so many seconds


@contextmanager
def server(uri: str, folder: Path) -> Iterator[tuple[str, Away]]:
    """A server whose address nobody answers at for a while: requests that are under way lose their answer."""
    away = threading.Event()

    def listening(port: int = 0) -> Proxy:
        proxy = Proxy(address, lambda kind: away.is_set(), port)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        return proxy

    def be_away(seconds: float) -> None:
        away.set()
        closed(proxies[-1])
        time.sleep(seconds)
        away.clear()
        proxies.append(listening(proxies[-1].server_port))

    with served(uri, folder) as address:
        proxies = [listening()]
        yield proxies[-1].address, be_away
        closed(proxies[-1])


def closed(proxy: Proxy) -> None:
    proxy.shutdown()
    proxy.server_close()


@contextmanager
def database(uri: str, folder: Path) -> Iterator[tuple[str, Away]]:
    """A SQLite file that another process, this one, holds locked for a while."""

    def lock(seconds: float) -> None:
        file = uri.removeprefix("sqlite:///")
        with closing(sqlite3.connect(file, isolation_level=None, timeout=60)) as other:
            other.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)

    yield uri, lock


STORES: dict[str, Callable[[str, Path], AbstractContextManager[tuple[str, Away]]]] = {
    "server": server,
    "SQLite": database,
}


def go_through(folder: Path, store: str, outages: list[tuple[float, float]]) -> None:
    """A study goes through outages: after so many seconds, for so many."""
    uri = copied(migrated(folder.parent), folder)
    with STORES[store](uri, folder) as (address, be_away):
        process = begin(search(folder, TRIALS, WORKERS), address, folder)
        wait_for_trials(uri, 1)
        for after, seconds in outages:
            time.sleep(after)
            if process.poll() is None:
                be_away(seconds)
        done = ended(process)
    assert done.returncode == 0, done.stderr
    check_clean(done)
    check_nothing_left(address, folder)
    check_whole(uri, TRIALS)


def attack(rounds: int, seed: int) -> Score:
    """Every other study has a server; the first outages are short."""
    score, draw = Score("outages"), random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            store, longest = [*STORES][number % 2], LONGEST if number > 1 else 3.0
            outages = [(draw.uniform(0, 2), draw.uniform(0.5, longest)) for _ in range(OUTAGES)]
            (place := Path(folder, str(number))).mkdir()
            with score.round(f"{store}, after and for seconds {outages}"):
                go_through(place, store, outages)
    return score


if __name__ == "__main__":
    run(attack, "rounds", 6)
