"""Who may drive a study: claims, beats and what becomes of the loser."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from time import sleep

import psutil
import pytest

from mlflow_hpo.errors import StudyError, SupersededError
from mlflow_hpo.store import Connection, keys, lease
from mlflow_hpo.store.claim import Claim
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.store.lease import FRESH_SECONDS, Lease, leased
from mlflow_hpo.store.registrations import FinalTraining
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Unit

FAR = "another machine"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.05)
    monkeypatch.setattr(lease, "SILENT_SECONDS", 1.0)
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.2)


@pytest.fixture
def run_id(connection: Connection, experiment: str) -> str:
    return str(connection.client.create_run(experiment).info.run_id)


@contextmanager
def taken(connection: Connection, run_id: str, said: list[str] | None = None, **how: bool) -> Iterator[Lease]:
    said = [] if said is None else said
    with leased(connection, run_id, said.append, lambda: None, **how) as held:
        yield held


def write_claim(connection: Connection, run_id: str, claim: Claim, beat: int | None = 0) -> None:
    connection.client.log_param(run_id, claim.param, to_json(asdict(claim)))
    connection.client.set_tag(run_id, keys.BEAT, to_json([claim.number, beat]))


def test_of_many_that_claim_at_once_one_wins(connection: Connection, run_id: str) -> None:
    claims = [Claim(1) for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda claim: claim.make(connection, run_id), claims)) == 1


def test_a_claim_whose_answer_was_lost_is_made_again(connection: Connection, run_id: str) -> None:
    claim = Claim(1)
    assert claim.make(connection, run_id)
    assert claim.make(connection, run_id)


def test_a_study_is_held_by_one_and_free_after_it(connection: Connection, run_id: str) -> None:
    with taken(connection, run_id) as first:
        with pytest.raises(StudyError, match=r"is being run by process \d+: wait for it or stop it"):
            ExitStack().enter_context(taken(connection, run_id))
        first.check()
    with taken(connection, run_id) as second:
        assert second.claim.number == 2


def test_a_process_on_this_machine_is_looked_for(connection: Connection, run_id: str) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = psutil.Process(process.pid).create_time()
        write_claim(connection, run_id, Claim(1, pid=process.pid, started=started))
        for take_over in (False, True):
            with pytest.raises(StudyError, match=f"is being run by process {process.pid}: "):
                ExitStack().enter_context(taken(connection, run_id, take_over=take_over))
        process.communicate(b"\n")
    said: list[str] = []
    with taken(connection, run_id, said):
        assert said == []  # nothing had to be watched


def test_a_pid_that_is_used_again_is_another_process(connection: Connection, run_id: str) -> None:
    write_claim(connection, run_id, Claim(1, pid=psutil.Process().ppid(), started=1.0))
    with taken(connection, run_id) as held:
        assert held.claim.number == 2


def test_elsewhere_what_beats_lives(connection: Connection, run_id: str) -> None:
    far = Claim(1, host="far", place=FAR)
    write_claim(connection, run_id, far)
    with Beating(connection, run_id, far), pytest.raises(StudyError, match=r"on far: .* --take-over"):
        ExitStack().enter_context(taken(connection, run_id))


def test_elsewhere_what_is_silent_is_dead(connection: Connection, run_id: str) -> None:
    write_claim(connection, run_id, Claim(1, host="far", place=FAR), beat=7)
    said: list[str] = []
    with taken(connection, run_id, said) as held:
        assert held.claim.number == 2
    assert [line for line in said if "on far: watching for 1 s" in line]


def test_a_claim_elsewhere_that_has_not_beaten_yet_counts(connection: Connection, run_id: str) -> None:
    """Its process may have died between the two writes, or be about to write its first beat."""
    write_claim(connection, run_id, Claim(1), beat=None)
    far = Claim(2, host="far", place=FAR)
    assert far.make(connection, run_id)
    with Beating(connection, run_id, far), pytest.raises(StudyError, match="is being run by"):
        ExitStack().enter_context(taken(connection, run_id))
    with taken(connection, run_id) as held:
        assert held.claim.number == 3


def test_what_is_given_up_while_it_is_watched_is_free(connection: Connection, run_id: str) -> None:
    far = Claim(1, host="far", place=FAR)
    write_claim(connection, run_id, far)
    with ThreadPoolExecutor(1) as threads:
        threads.submit(write_beat, connection, run_id, far, None, after=0.3)
        with taken(connection, run_id) as held:
            assert held.claim.number == 2


def test_a_signal_ends_the_watching(connection: Connection, run_id: str) -> None:
    write_claim(connection, run_id, Claim(1, host="far", place=FAR))

    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ExitStack().enter_context(leased(connection, run_id, print, interrupted))


def test_who_lost_the_lease_writes_nothing_more(start: Callable[..., Study], connection: Connection) -> None:
    """The study's trials and its state are another process's, which may be about to write them."""
    study = start()
    run = study.run
    with run.driven(print, lambda: None):
        trial = run.trials.create(0, {"x": 1}, seed=0)
        final = run.extra_runs.create(trial, 0, keys.FINAL, "final")
        Claim(2, host="far", place=FAR).make(connection, run.run_id)
        connection.client.set_tag(run.run_id, keys.BEAT, to_json([2, 0]))
        sleep(FRESH_SECONDS)
        for write in (
            lambda: run.trials.create(1, {"x": 2}, seed=0),
            lambda: run.trials.end(trial, State.KILLED, "cut"),
            lambda: run.end(State.FAILED, "cut"),
            lambda: run.show_best("loss", {1: 1.0}, "best"),
            lambda: run.keep_final(FinalTraining(0, final, "models:/m-1")),
            lambda: run.keep_registrations([], "registered"),
            lambda: run.keep_load("models:/m-1", ""),
            run.check_lease,
        ):
            with pytest.raises(SupersededError, match=r"was taken over by process .* on far"):
                write()
        connection.client.set_tag(run.run_id, keys.BEAT, to_json([2, 1]))  # it has been noticed by now
    assert connection.client.get_run(run.run_id).data.tags[keys.BEAT] == to_json([2, 1])
    assert not connection.client.get_run(run.run_id).data.tags.keys() & {keys.FINAL, keys.REGISTERED}
    assert [t.state for t in run.trials.load()] == [State.RUNNING]


def test_a_worker_of_who_lost_the_lease_writes_nothing_more(
    start: Callable[..., Study], connection: Connection, tmp_path: Path
) -> None:
    """Its driver may be stopped, or cut off from the store: it says nothing to its workers then."""
    (tmp_path / "slow.py").write_text(
        "import time\n"
        "def objective(trial):\n"
        "    for epoch in range(1, 31):\n"
        "        trial.report(epoch, {'loss': 1 / epoch})\n"
        "        time.sleep(0.1)\n"
    )
    options = {"model": f"{tmp_path}/slow.py:objective", "metric": "loss", "max_epochs": 30}
    study = start(options, "x: {type: float, low: 0, high: 1}")
    run = study.run
    with run.driven(print, lambda: None):
        trial = run.trials.create(0, {"x": 1}, seed=0)
        work = study.dispatcher.submit_unit(trial, Unit(0, 0, 30), None, again=False)
        while not connection.client.get_metric_history(trial.run_id, "loss"):
            sleep(0.1)
        Claim(2, host="far", place=FAR).make(connection, run.run_id)
        logged = len(connection.client.get_metric_history(trial.run_id, "loss"))
        with pytest.raises(SupersededError, match=r"was taken over by process .* on far"):
            work.result()
    assert len(connection.client.get_metric_history(trial.run_id, "loss")) <= logged + 6  # a write under way
    assert not connection.client.list_artifacts(trial.run_id, keys.CHECKPOINTS)


class Beating:
    """A claim whose process lives, wherever it is."""

    def __init__(self, connection: Connection, run_id: str, claim: Claim) -> None:
        self._what, self._over = (connection, run_id, claim), False

    def __enter__(self) -> None:
        self._threads = ThreadPoolExecutor(1)
        self._threads.submit(self._beat)

    def __exit__(self, *failure: object) -> None:
        self._over = True
        self._threads.shutdown()

    def _beat(self) -> None:
        beat = 0
        while not self._over:
            sleep(0.1)
            write_beat(*self._what, beat := beat + 1)


def write_beat(connection: Connection, run_id: str, claim: Claim, beat: int | None, after: float = 0) -> None:
    sleep(after)
    connection.client.set_tag(run_id, keys.BEAT, to_json([claim.number, beat]))
