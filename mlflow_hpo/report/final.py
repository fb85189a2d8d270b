"""The winner's config, trained once more on all rows before it is registered."""

from contextlib import suppress
from dataclasses import dataclass

from mlflow_hpo.errors import HpoError, StudyError
from mlflow_hpo.executors import Executor, answered
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.study import make_task, seed_of
from mlflow_hpo.trial import Trial, Unit
from mlflow_hpo.worker import Assignment, train


@dataclass(frozen=True)
class Final:
    """A final training.

    Attributes:
        trial: the number of the trial whose config it trained.
    """

    trial: int
    run_id: str
    uri: str

    @property
    def said(self) -> str:
        """That it was done, in a line."""
        return f"trained trial {self.trial} on all rows: {self.uri}"


def train_final(run: StudyRun, settings: Settings, winner: Trial, executor: Executor) -> Final:
    """Train the winner's config on training and validation rows, for as many epochs; once for a winner.

    Raises:
        StudyError: it failed.
    """
    if (known := run.final) and known[0] == winner.number:
        return Final(*known)
    seed = winner.config.get("seed", seed_of(settings, winner.number))
    run_id = run.trials.create_beside(winner, seed, keys.FINAL, "final")
    unit = Unit(winner.number, 0, winner.epochs)
    task = make_task(settings, run)
    try:
        work = executor.submit(train, Assignment(task, unit, run_id, winner.config, seed, final=True))
        result = answered(work, "the final training ran")
    except BaseException as error:
        with suppress(Exception):
            run.connection.client.set_terminated(run_id, "FAILED")
        if isinstance(error, HpoError):
            raise StudyError(f"the final training of trial {winner.number} failed: {error}") from error
        raise
    run.keep_final(winner.number, run_id, result.model_uri)
    return Final(winner.number, run_id, result.model_uri)
