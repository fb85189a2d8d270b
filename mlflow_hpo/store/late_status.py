"""Corrects the status of a project's run after `mlflow run` has set it to FAILED.

    python -m mlflow_hpo.store.late_status RUN_ID PID STATUS

The environment names the tracking store: everybody may read a command line, and a URI may hold a password.

`mlflow run` marks its run FAILED when the project ends with an error, whatever its status is already. A
driver that was interrupted, or whose model the gate refused, starts this process, which waits for the
`mlflow` process to end.
"""

import os
import subprocess
import sys
from contextlib import suppress
from time import monotonic, sleep

import psutil
from mlflow.environment_variables import MLFLOW_TRACKING_URI

LONGEST_WAIT = 120  # seconds


def set_status_after(uri: str, run_id: str, status: str) -> None:
    """Starts a process that sets the run's status once the `mlflow run` above this one has ended.

    Where none can be started the status stays what `mlflow run` makes it, and the command ends as it was to.
    """
    command = [sys.executable, "-m", __name__, run_id, str(_mlflow_process()), status]
    environment = {**os.environ, MLFLOW_TRACKING_URI.name: uri}
    quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with suppress(OSError):
        subprocess.Popen(command, env=environment, start_new_session=True, **quiet)  # type: ignore[call-overload]


def _mlflow_process() -> int:
    """Returns the pid of the `mlflow run` above this process, or of its parent."""
    above = psutil.Process().parents()
    return next((p.pid for p in reversed(above) if "mlflow" in " ".join(p.cmdline()[:3])), os.getppid())


def main() -> None:
    """Waits, then sets the status, unless somebody has resumed the study meanwhile."""
    run_id, pid, status = sys.argv[1:]
    deadline = monotonic() + LONGEST_WAIT
    while psutil.pid_exists(int(pid)) and monotonic() < deadline:
        sleep(0.1)
    from mlflow import MlflowClient

    client = MlflowClient()
    if client.get_run(run_id).info.status == "FAILED":
        client.set_terminated(run_id, status)


if __name__ == "__main__":
    main()
