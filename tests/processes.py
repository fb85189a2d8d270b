"""What the executors' tests run in workers: a light module, as each worker imports it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

WAIT = 300  # seconds: a shared machine may stall


def answer(value: int) -> int:
    return value * 2


def name_yourself(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def complain() -> None:
    raise ValueError("as asked")


def sleep(seconds: float) -> None:
    time.sleep(seconds)


def leave(status: int) -> None:
    """End the process: with an exit status, or by a signal where it is negative."""
    if status < 0:
        os.kill(os.getpid(), -status)
    os._exit(status)


def write_on(file: str, stubborn: bool = False) -> None:
    """Add the process to the file until it is ended; one that is stubborn only notes when it was to end."""
    if stubborn:
        noted = Path(f"{file}.told")
        signal.signal(signal.SIGTERM, lambda *_: noted.write_text(str(time.monotonic())))
    while True:
        with Path(file).open("a") as lines:
            lines.write(f"{os.getpid()}\n")
        time.sleep(0.01)


def until(done: Callable[[], bool], seconds: float = 20) -> bool:
    end = time.monotonic() + seconds
    while not done() and time.monotonic() < end:
        time.sleep(0.05)
    return done()


def gone(*pids: int) -> bool:
    return not any(psutil.pid_exists(pid) for pid in pids)
