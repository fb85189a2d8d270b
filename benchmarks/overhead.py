"""What tracking costs: a study against a plain Keras loop, tracking calls for each trial, workers' memory.

    python benchmarks/overhead.py                 # everything, about ten minutes on two cores
    python benchmarks/overhead.py --part calls    # one part: time, best, calls or memory

Each part prints one line for each figure. The plain loop trains the study's own configurations the way
people write it: one process, NumPy arrays, `compile`, `fit`, no tracking.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console

PLAIN = Path(__file__).parent / "plain_loop.py"
SERVER_SECONDS = 120


def search(folder: Path, *options: str, uri: str | None = None) -> float:
    """Run a study in a fresh process; its wall seconds, imports included."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri or f"sqlite:///{folder}/mlflow.db"}
    command = [sys.executable, "-m", "mlflow_hpo", "search", "--algorithm", "random", *options]
    started = time.perf_counter()
    subprocess.run(command, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def plain(configs: list[dict[str, Any]], epochs: int) -> float:
    """Run the plain loop in a fresh process; its wall seconds, imports included."""
    started = time.perf_counter()
    command = [sys.executable, str(PLAIN), json.dumps(configs), str(epochs)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)  # TensorFlow greets on stderr
    if done.returncode:
        sys.exit(done.stderr)
    print(done.stdout.strip())
    return time.perf_counter() - started


def time_part(trials: int, epochs: int, repeats: int) -> None:
    """The wall time of a study over that of the plain loop, in turn."""
    ratios = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tracked = search(folder, "--max-trials", str(trials), "--max-epochs", str(epochs))
            bare = plain(study_configs(f"sqlite:///{folder}/mlflow.db"), epochs)
        ratios.append(tracked / bare)
        print(f"study {tracked:.1f} s, plain loop {bare:.1f} s, ratio {ratios[-1]:.2f}", flush=True)
    print(f"time: median ratio {statistics.median(ratios):.2f} over {repeats} pairs (goal: at most 0.70)")


def best_part(trials: int, epochs: int, repeats: int) -> None:
    """The CPU seconds of a study that keeps the best epochs' weights over one that does not, by turns.

    Both train in the process of the search, so that all of it is counted, and nothing else: on a shared
    machine wall time varies by more than what is to be seen.
    """
    ratios = []
    for turn in range(repeats):
        used = dict[str, float]()
        for at in ("best", "last") if turn % 2 else ("last", "best"):
            with tempfile.TemporaryDirectory() as name:
                sizes = ("--workers", "0", "--max-trials", str(trials), "--max-epochs", str(epochs))
                before = _cpu_of_children()
                search(Path(name), "--at", at, *sizes)
                used[at] = _cpu_of_children() - before
        ratios.append(used["best"] / used["last"])
        both = f"best {used['best']:.1f} CPU s, last {used['last']:.1f} CPU s"
        print(f"{both}, ratio {ratios[-1]:.3f}", flush=True)
    median = statistics.median(ratios)
    print(f"best weights: median ratio {median:.3f} over {repeats} pairs (goal: at most 1.05)")


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def study_configs(uri: str) -> list[dict[str, Any]]:
    """The configurations of the newest study."""
    from mlflow_hpo.store import LATEST, Connection, find_study

    return [dict(t.config) for t in find_study(Connection(uri), LATEST).trials.load()]


def calls_part(trials: int, epochs: int) -> None:
    """Requests to a tracking server between one trial's start and the next one's, with one worker."""
    with (
        tempfile.TemporaryDirectory() as name,
        server(Path(name)) as port,
        counting_proxy(port) as (uri, seen),
    ):
        options = ("--max-trials", str(trials), "--max-epochs", str(epochs), "--workers", "1")
        search(Path(name), *options, uri=uri)
        starts = [i for i, path in enumerate(seen) if path.endswith("runs/create")][
            1:
        ]  # the first: the study
        counted = [path for path in seen if "/mlflow-artifacts/" not in path]
        aside = len(seen) - len(counted)
        starts = [len([p for p in seen[:i] if "/mlflow-artifacts/" not in p]) for i in starts]
        each = [b - a for a, b in pairwise(starts)]
    last = f"first {each[0]}, last {each[-1]}, median {statistics.median(each):g}, most {max(each)}"
    print(f"calls for each trial: {last} (goal: at most 20, not growing); artifact requests aside: {aside}")
    for path in counted[starts[-2] : starts[-1]]:
        print(f"  {path.partition('?')[0]}")


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """A real `mlflow server` on loopback."""
    port = free_port()
    store = f"sqlite:///{folder}/server.db"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--backend-store-uri", store]
    command += ["--artifacts-destination", str(folder / "artifacts"), "--workers", "1"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(f"http://127.0.0.1:{port}/health")
        yield port
    finally:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.terminate()
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    deadline = time.monotonic() + SERVER_SECONDS
    while True:
        try:
            urllib.request.urlopen(url, timeout=5).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def free_port() -> int:
    probe = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    probe.server_close()
    return int(probe.server_address[1])


@contextmanager
def counting_proxy(port: int) -> Iterator[tuple[str, list[str]]]:
    """A proxy before the server that notes the path of every request."""
    seen: list[str] = []

    class Forward(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            seen.append(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            upstream = HTTPConnection("127.0.0.1", port, timeout=60)
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            content = answer.read()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.getheader("Content-Type") or "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            upstream.close()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = forward  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{proxy.server_address[1]}", seen
    finally:
        proxy.shutdown()


def memory_part(trials: int, epochs: int) -> None:
    """What the workers hold after 10 trials and after all of them."""
    from mlflow_hpo.settings import read_settings
    from mlflow_hpo.study import lifecycle, terminal

    held: dict[int, float] = {}

    class Watch(terminal.Display):
        def changed(self, trial: Any) -> None:
            super().changed(trial)
            study = self._study
            over = sum(t.is_over for t in study.known) if study else 0
            children = psutil.Process().children(recursive=True)
            held[over] = sum(c.memory_info().rss for c in children) / 1e6

    with tempfile.TemporaryDirectory() as name:
        os.environ["MLFLOW_TRACKING_URI"] = f"sqlite:///{name}/mlflow.db"
        terminal.Display = Watch  # type: ignore[misc]
        options = {"algorithm": "random", "max_trials": trials, "max_epochs": epochs}
        lifecycle.start(read_settings(options), Console(file=Path(os.devnull).open("w")))  # noqa: SIM115
    growth = held[trials] / held[10]
    print(
        f"memory of the workers: {held[10]:.0f} MB after 10 trials, {held[trials]:.0f} MB after {trials}, "
        f"ratio {growth:.3f} (goal: at most 1.10)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=["time", "best", "calls", "memory"])
    parser.add_argument("--trials", type=int, default=24)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=1)
    chosen = parser.parse_args()
    if chosen.part in (None, "time"):
        time_part(chosen.trials, chosen.epochs, chosen.repeats)
    if chosen.part in (None, "best"):
        best_part(chosen.trials, chosen.epochs, max(chosen.repeats, 5))
    if chosen.part in (None, "calls"):
        calls_part(12, chosen.epochs)
    if chosen.part in (None, "memory"):
        memory_part(50, 2)


if __name__ == "__main__":
    main()
