"""The winner's config, trained once more on all rows before it is registered."""

from dataclasses import dataclass

from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.registry.beside import trained
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.trial import Trial, Unit
from mlflow_hpo.worker.dispatch import make_task, seed_of
from mlflow_hpo.worker.train import Assignment


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
    assignment = Assignment(make_task(settings, run), unit, run_id, winner.config, seed, final=True)
    result = trained(run, assignment, executor, f"the final training of trial {winner.number} failed")
    run.keep_final(winner.number, run_id, result.model_uri)
    return Final(winner.number, run_id, result.model_uri)
