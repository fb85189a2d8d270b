"""Trains in extra runs: once more on all rows, with another seed, or to compare."""

from collections.abc import Collection, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from mlflow_hpo.errors import HpoError, Interrupted, StudyError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.store import StudyRun, keys, quick
from mlflow_hpo.store.registrations import FinalTraining
from mlflow_hpo.trial import Result, Trial, Unit
from mlflow_hpo.worker.dispatch import Dispatcher


def train_final(dispatcher: Dispatcher, winner: Trial) -> FinalTraining:
    """Trains the winner's config on training and validation rows, for as many epochs; once for each winner.

    Raises:
        StudyError: it failed.
    """
    run = dispatcher.run
    if (earlier := run.final) and earlier.trial == winner.number:
        return earlier
    seed = winner.config.get("seed", dispatcher.seed(winner.number))
    run_id = run.extra_runs.create(winner, seed, keys.FINAL, "final")
    unit = Unit(winner.number, 0, winner.model_epochs)
    work = dispatcher.submit_extra(run_id, unit, winner.config, seed, final=True)
    result = result_of(run, run_id, work, f"the final training of trial {winner.number} failed")
    final = FinalTraining(winner.number, run_id, result.model_uri)
    with ended_at_last(run, [run_id]):
        run.keep_final(final)
    return final


def result_of(run: StudyRun, run_id: str, work: "Future[Result]", failed: str) -> Result:
    """Waits for a training; its run is left to the caller to end if it went well.

    Args:
        failed: what to say if it did not, before the reason.

    Raises:
        StudyError: it failed.
        Interrupted: a signal came.
    """
    try:
        with ended_at_last(run, [run_id]):
            result: Result = answered(work, "it trained")
            return result
    except Interrupted:
        raise
    except HpoError as error:
        raise StudyError(f"{failed}: {error}") from error


@contextmanager
def ended_at_last(run: StudyRun, run_ids: Collection[str]) -> Iterator[None]:
    """Ends the runs if something goes wrong, so that they do not stay RUNNING.

    Args:
        run_ids: its content at that moment counts.
    """
    try:
        yield
    except BaseException as error:
        failed = isinstance(error, Exception) and not isinstance(error, Interrupted)
        for run_id in run_ids:
            with suppress(Exception), quick():  # the store may be what failed
                run.extra_runs.end(run_id, "FAILED" if failed else "KILLED")
        raise
