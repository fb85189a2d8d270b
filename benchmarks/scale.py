"""How many workers a driver keeps busy, and what it costs for each unit.

    python benchmarks/scale.py --part slots    # or one of the others

    slots     200 slots whose units sleep 30 s, a real `mlflow server` on PostgreSQL (13 minutes and more)
    nothing   trials a second of a function that does nothing, two workers, SQLite
    memory    the driver's memory as a study grows to 10,000 trials of that function
    engines   24 trials by Ray and by Dask, two slots each, over the same trials by two local workers

200 worker processes do not fit into one small machine. In `slots` and `memory` the slots are threads of one
other process: they run the units of a study as workers do, with all that these write for a trial except for
the system metrics, which one machine would be measured for 200 times over. The driver, its executor, the
store and the server are real. Of the driver, the CPU time of its process counts: how long it waits is the
server's.
"""

import argparse
import multiprocessing
import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import psutil
import requests
from attack.postgres import postgres, uri_of
from browser import served
from rich.console import Console

from mlflow_hpo.execution.engine import Engine, Slot, about
from mlflow_hpo.execution.host import run_payload
from mlflow_hpo.settings import read_settings
from mlflow_hpo.study import lifecycle
from mlflow_hpo.study.engines import Cluster
from mlflow_hpo.study.from_python import given_content
from mlflow_hpo.study.terminal import Display

SLOTS, SLEEP = 200, 30.0
WINDOW = 200  # units that are looked at, at the beginning and at the end; fewer in a short study
SPACE = {"x": {"type": "float", "low": 0.0, "high": 1.0}, "n": {"type": "int", "low": 1, "high": 100}}


def nothing(config: dict[str, Any]) -> float:
    return float(config["x"])


def nap(config: dict[str, Any], seconds: float = SLEEP) -> float:
    began = time.monotonic()
    time.sleep(seconds)
    with Path(os.environ["SCALE_LOG"]).open("a") as log:
        log.write(f"{began} {time.monotonic()}\n")
    return float(config["x"])


def serve(pipe: Any) -> None:
    """Runs units in threads, until the pipe is closed."""
    from mlflow_hpo.store import Recorder

    Recorder.sample_system = lambda self, since: None  # type: ignore[method-assign]
    lock = threading.Lock()

    def answer(number: int, payload: bytes) -> None:
        try:
            told = pickle.dumps((run_payload(payload), None, ""))
        except BaseException as error:
            told = pickle.dumps((b"", error, ""))
        with lock:
            pipe.send((number, told))

    while True:
        try:
            what, *args = pipe.recv()
        except EOFError:
            os._exit(0)
        if what == "contents":
            from mlflow_hpo.user_code import use_contents

            use_contents(Path(args[0]))
        else:
            threading.Thread(target=answer, args=args, daemon=True).start()


class Threads(Engine):
    """An engine whose slots are threads of one process."""

    name = "threads"

    def __init__(self, slots: int) -> None:
        self._slots, self._numbers, self._lock = slots, count(), threading.Lock()
        self._pipe, theirs = multiprocessing.Pipe()
        self._calls: dict[int, Future[bytes]] = {}
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        threading.Thread(target=self._read, daemon=True).start()

    def places(self, most: int) -> Sequence[int]:
        return range(min(self._slots, most))

    def start(self, place: Any) -> "Thread":
        return Thread(self)

    def shortage(self) -> str:
        return "there is none"

    def close(self) -> None:
        self._process.kill()

    def tell(self, *message: Any) -> None:
        with self._lock:
            self._pipe.send(message)

    def run(self, payload: bytes) -> Future[bytes]:
        future, number = Future[bytes](), next(self._numbers)
        self._calls[number] = future
        self.tell("run", number, payload)
        return future

    def _read(self) -> None:
        while True:
            try:
                number, told = self._pipe.recv()
            except (EOFError, OSError):
                return
            self._calls.pop(number).set_result(told)


class Thread(Slot):
    number = 0

    def __init__(self, engine: Threads) -> None:
        self._engine = engine

    def ask(self, method: str, *args: Any) -> Any:
        if method == "open":
            self._engine.tell("contents", pickle.loads(args[0]).contents)
        return about() if method == "about" else None

    def send(self, number: int, payload: bytes, timeout_s: float | None) -> Future[bytes]:
        return self._engine.run(payload)

    def cancel(self, number: int) -> None:
        """Nothing is cut here."""

    def end(self) -> None:
        """It ends with its process."""


class Watch(Display):
    """Notes after each trial what the driver has taken so far."""

    noted: list[tuple[float, float, int, int]]  # seconds, CPU seconds, calls, bytes of memory
    calls = 0
    algorithm = "tpe"

    def began(self, study: Any) -> None:
        type(self).noted = []
        super().began(study)

    def changed(self, trial: Any) -> None:
        super().changed(trial)
        if trial.is_over:
            process = psutil.Process()
            times = process.cpu_times()
            now = time.monotonic(), times.user + times.system, Watch.calls, process.memory_info().rss
            self.noted.append(now)


@contextmanager
def counted() -> Iterator[None]:
    """Counts the requests of this process."""
    send = requests.Session.send

    def counting(self: Any, *args: Any, **how: Any) -> Any:
        Watch.calls += 1
        return send(self, *args, **how)

    requests.Session.send = counting  # type: ignore[method-assign]
    try:
        yield
    finally:
        requests.Session.send = send  # type: ignore[method-assign]


def study(uri: str, function: Any, trials: int, engine: Engine | None = None, **more: Any) -> Any:
    """Runs a study in this process."""
    os.environ["MLFLOW_TRACKING_URI"] = uri
    settings = {"max_trials": trials, "algorithm": Watch.algorithm, **more}
    if engine:
        Cluster._engine = lambda self, most: engine  # type: ignore[method-assign]
        settings["executor"] = "dask"  # by its name; the engine is ours
    with tempfile.TemporaryDirectory() as folder:
        names, given = given_content(function, SPACE, None, settings, Path(folder))
        asked = read_settings({**settings, **names})
        lifecycle.start(asked, Console(file=Path(os.devnull).open("w")), given, Watch)  # noqa: SIM115


def cost(begin: int, end: int) -> str:
    """What the units from one to another took of the driver."""
    first, last = Watch.noted[begin], Watch.noted[end]
    units = end - begin
    return (
        f"{(last[1] - first[1]) / units * 1000:.1f} ms of CPU, {(last[2] - first[2]) / units:.1f} calls, "
        f"{units / (last[0] - first[0]):.1f} units/s"
    )


def costs() -> None:
    last = len(Watch.noted) - 1
    width = min(WINDOW, last // 3)
    print(f"the driver for each unit, at trial {width}: {cost(width // 2, width + width // 2)}")
    print(f"the driver for each unit, at trial {last}: {cost(last - width, last)} (goal: 15 ms)", flush=True)


def slots_part(trials: int, slots: int, seconds: float) -> None:
    with tempfile.TemporaryDirectory() as name, postgres(Path(name)) as server:
        folder = Path(name)
        log = folder / "log"
        os.environ["SCALE_LOG"] = str(log)
        with served(uri_of(server), folder) as uri, counted():
            study(uri, partial(nap, seconds=seconds), trials, Threads(slots))
        naps = sorted(tuple(map(float, line.split())) for line in log.read_text().splitlines())
    begins = [nap[0] for nap in naps]
    start, end = begins[slots - 1], begins[-1]  # all have begun; nothing is left to begin
    busy = sum(max(0.0, min(b, end) - max(a, start)) for a, b in naps) / (slots * (end - start))
    print(f"{slots} slots, {trials} units of {seconds:g} s: all had begun after {start - begins[0]:.0f} s")
    print(f"busy from then for {end - start:.0f} s: {busy:.1%} (goal: 95 %)")
    costs()


def nothing_part(trials: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        study(f"sqlite:///{name}/mlflow.db", nothing, trials, workers=2)
    print(f"nothing, two workers, SQLite: {cost(20, trials - 1)} (goal: 50 units/s)", flush=True)


def memory_part(trials: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        study(f"sqlite:///{name}/mlflow.db", nothing, trials, Threads(2))
    marks = [n for n in (10, 100, 1_000, 10_000) if n < trials] + [trials]
    print("the driver's memory: " + ", ".join(f"{Watch.noted[n - 1][3] >> 20} MB at {n:,}" for n in marks))
    costs()


def engines_part(trials: int) -> None:
    taken = {}
    for executor in ("local", "ray", "dask"):
        with tempfile.TemporaryDirectory() as name:
            os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}/mlflow.db"
            asked = {"max_trials": trials, "algorithm": "random", "workers": 2, "executor": executor}
            lifecycle.start(read_settings(asked), Console(file=Path(os.devnull).open("w")), None, Watch)  # noqa: SIM115
        taken[executor] = Watch.noted[-1][0] - Watch.noted[1][0]  # each worker has loaded its libraries
        ratio = taken[executor] / taken["local"]
        print(f"{trials} trials, {executor}: {taken[executor]:.1f} s, {ratio:.2f} (goal: 1.15)", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["slots", "nothing", "memory", "engines"], required=True)
    parser.add_argument("--trials", type=int)
    parser.add_argument("--algorithm", default=Watch.algorithm)
    parser.add_argument("--slots", type=int, default=SLOTS)
    parser.add_argument("--seconds", type=float, default=SLEEP)
    chosen = parser.parse_args()
    Watch.algorithm = chosen.algorithm
    if chosen.part == "slots":
        slots_part(chosen.trials or 5_000, chosen.slots, chosen.seconds)
    elif chosen.part == "nothing":
        nothing_part(chosen.trials or 400)
    elif chosen.part == "memory":
        memory_part(chosen.trials or 10_000)
    else:
        engines_part(chosen.trials or 24)


if __name__ == "__main__":
    main()
