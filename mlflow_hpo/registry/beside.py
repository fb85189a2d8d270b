"""Training in runs beside the trials: once more with all rows, with another seed, or to compare."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress

from mlflow_hpo.errors import HpoError, StudyError
from mlflow_hpo.execution.executor import Executor, answered
from mlflow_hpo.store import StudyRun
from mlflow_hpo.trial import Result
from mlflow_hpo.worker.train import Assignment, train


def trained(run: StudyRun, assignment: Assignment, executor: Executor, failed: str) -> Result:
    """Train a unit in a run beside the trials, which is left to the caller to end if that goes well.

    Args:
        failed: what to say if not, before the reason.

    Raises:
        StudyError: it failed.
    """
    try:
        with ended_at_last(run, [assignment.run_id]):
            found: Result = answered(executor.submit(train, assignment), "it trained")
            return found
    except HpoError as error:
        raise StudyError(f"{failed}: {error}") from error


@contextmanager
def ended_at_last(run: StudyRun, run_ids: Collection[str]) -> Iterator[None]:
    """Whatever goes wrong, the runs that are in `run_ids` at that moment do not stay RUNNING."""
    try:
        yield
    except BaseException as error:
        status = "FAILED" if isinstance(error, Exception) else "KILLED"
        for run_id in run_ids:
            with suppress(Exception):  # the store may be what failed
                run.connection.client.set_terminated(run_id, status)
        raise
