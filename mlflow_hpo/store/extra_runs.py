"""Extra runs of a study: a trial's config trained once more, on all rows, with another seed or to compare."""

from contextlib import ExitStack
from dataclasses import asdict

from mlflow.entities import Run

from mlflow_hpo.store import keys
from mlflow_hpo.store.claim import Claim
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.store.creation import set_twins_aside
from mlflow_hpo.store.nested_runs import Constants, NestedRuns, is_half_dropped
from mlflow_hpo.trial import Dropped, Trial


class ExtraRuns:
    """The extra runs of one study; they do not count as trials."""

    def __init__(self, nested: NestedRuns) -> None:
        self._nested = nested

    def create(self, trial: Trial, seed: int, mark: str, name: str, constants: Constants = None) -> str:
        """Starts a run in which a trial's config is trained once more; returns its id.

        Args:
            mark: the tag that says what for, one of `keys.EXTRA_RUNS`; its value is the trial's number.
        """
        tags = {mark: to_json(trial.number), keys.PROCESS: to_json(asdict(Claim(0)))}
        run_id = self._nested.create(name, trial.config, tags, seed, constants)
        connection = self._nested.connection
        set_twins_aside(connection, connection.client.get_run(run_id))
        return run_id

    def end(self, run_id: str, status: str) -> None:
        """Ends an extra run and those below it."""
        with ExitStack() as last:
            last.callback(self._nested.end_below, run_id, status)
            self._nested.connection.client.set_terminated(run_id, status)

    def retrained(self) -> dict[int, Trial]:
        """Returns the trials that were trained again with another seed, as they came out then, by number."""
        trials = [
            self._nested.read(run, keys.RETRAINED)
            for run in self._marked(keys.RETRAINED)
            if run.info.status == "FINISHED" and not _is_unrecorded(run)
        ]
        return {trial.number: trial for trial in trials}

    def end_abandoned(self) -> None:
        """Ends what a process left running when it died, and completes its deletions.

        What runs on another machine cannot be told from that; if it is still alive, it ends its run itself.
        """
        for run in (run for mark in keys.EXTRA_RUNS for run in self._marked(mark)):
            if _is_running(run) and not _is_alive(run):
                self.end(run.info.run_id, "KILLED")
            if is_half_dropped(run):
                self._drop(run)

    def drop(self, but: str = "") -> None:
        """Deletes models and checkpoints of the extra runs that have ended; registered models stay.

        Args:
            but: the id of a run that keeps all.
        """
        for run in (run for mark in keys.EXTRA_RUNS for run in self._marked(mark)):
            ended = run.info.status != "RUNNING" and run.info.run_id != but
            if ended and run.data.tags.get(keys.DROPPED) != Dropped.ALL:
                self._drop(run)

    def _drop(self, run: Run) -> None:
        self._nested.drop(run.info.run_id, run.data.tags.get(keys.MODEL, ""), Dropped.ALL)

    def _marked(self, mark: str) -> list[Run]:
        return list(self._nested.find(f"tags.`{mark}` != ''"))


def _is_alive(run: Run) -> bool:
    """Tells whether another process, on this machine, is known to train it."""
    if keys.PROCESS not in run.data.tags:
        return False
    claim = Claim.read(run.info.run_id, run.data.tags, keys.PROCESS)
    return claim.is_here and claim.is_running


def _is_running(run: Run) -> bool:
    return run.info.status == "RUNNING" or (keys.RETRAINED in run.data.tags and _is_unrecorded(run))


def _is_unrecorded(run: Run) -> bool:
    """Tells whether the user's own MLflow calls ended the run, and the driver died before it recorded it."""
    return bool(run.info.status == "FINISHED" and keys.STATE not in run.data.tags)
