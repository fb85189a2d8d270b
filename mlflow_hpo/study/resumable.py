"""Says how to go on with a study whose store has failed."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mlflow_hpo.errors import StoreError
from mlflow_hpo.report.next_commands import resume_command
from mlflow_hpo.report.study_info import info_of

if TYPE_CHECKING:
    from mlflow_hpo.store import StudyRun


@contextmanager
def resumable(run: "StudyRun") -> Iterator[None]:
    """Adds the command that goes on with a study to what its store refuses.

    Raises:
        StoreError: with the command, unless the study has not begun.
    """
    from mlflow_hpo.store import store_errors

    try:
        with store_errors():
            yield
    except StoreError as error:
        if not run.is_study:
            raise
        raise StoreError(f"{error}; go on with: {resume_command(info_of(run), run.run_id)}") from error
