"""The mark of the process that drives a study, by which another process on this machine finds it."""

import json
import os
import socket
from contextlib import suppress

import psutil

from mlflow_hpo.store.connection import to_json


def driver_mark() -> str:
    """Returns the mark of this process, as JSON."""
    process = psutil.Process()
    return to_json({"host": socket.gethostname(), "pid": process.pid, "started": process.create_time()})


def other_driver(mark: str) -> str | None:
    """Returns which process a mark names, if it still runs on this machine and is not this one."""
    with suppress(KeyError, ValueError, psutil.Error):
        driver = json.loads(mark)
        process = psutil.Process(driver["pid"])
        other = driver["host"] == socket.gethostname() and driver["pid"] != os.getpid()
        if other and abs(process.create_time() - driver["started"]) < 1:  # seconds: pids are used again
            return f"process {driver['pid']}"
    return None
