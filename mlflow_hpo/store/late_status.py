"""Corrects the status of a project's run after `mlflow run` has set it to FAILED.

    python -m mlflow_hpo.store.late_status TRACKING_URI RUN_ID PID STATUS

`mlflow run` marks its run FAILED when the project ends with an error, whatever its status is already. A
driver that was interrupted, or whose model the gate refused, starts this process, which waits for the
`mlflow` process to end.
"""

import subprocess
import sys
from time import monotonic, sleep

import psutil

LONGEST_WAIT = 120  # seconds


def set_status_after(uri: str, run_id: str, pid: int, status: str) -> None:
    """Starts a process that sets the run's status once the process `pid` has ended."""
    command = [sys.executable, "-m", __name__, uri, run_id, str(pid), status]
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.Popen(command, start_new_session=True, **quiet)  # type: ignore[call-overload]


def main() -> None:
    """Waits, then sets the status, unless somebody has resumed the study meanwhile."""
    uri, run_id, pid, status = sys.argv[1:]
    deadline = monotonic() + LONGEST_WAIT
    while psutil.pid_exists(int(pid)) and monotonic() < deadline:
        sleep(0.1)
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    if client.get_run(run_id).info.status == "FAILED":
        client.set_terminated(run_id, status)


if __name__ == "__main__":
    main()
