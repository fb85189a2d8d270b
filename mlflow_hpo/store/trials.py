"""A study's trials in the tracking store: runs nested under the study's. Only the driver writes here.

Writing to a trial whose run somebody has deleted meanwhile raises `RunDeletedError`; writing to one of a
study that another process drives by now raises `SupersededError`.
"""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace

from mlflow.entities import Run, ViewType

from mlflow_hpo.errors import CUT, RunDeletedError, cut, without_secrets
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import store_errors, to_json
from mlflow_hpo.store.deletion import delete_models
from mlflow_hpo.store.nested_runs import Constants, NestedRuns, is_half_dropped, run_params
from mlflow_hpo.store.results import write_results
from mlflow_hpo.store.twins import Pair, set_all_aside, without_twins
from mlflow_hpo.trial import Config, Dropped, Result, State, Trial

STATUS = {state: state.name for state in (State.FINISHED, State.FAILED, State.KILLED)}
STATUS |= {State.PAUSED: "SCHEDULED", State.STOPPED: "FINISHED"}
STOPS_BELOW = (State.FAILED, State.KILLED)  # the process may be gone before it ended the runs that it began
TRACEBACK_SHOWN = 6000  # characters of a traceback in the run's description


def given_up(trial: Trial) -> Trial:
    """Returns a trial whose run was deleted."""
    return replace(trial, state=State.FAILED, reason=str(RunDeletedError()), dropped=Dropped.ALL)


def _cut(reason: str, run_id: str) -> str:
    """Returns a reason that is not too long; says where all of it is if that is a run's traceback."""
    reason = cut(reason)
    is_whole = not run_id or CUT not in reason
    return reason if is_whole else f"{reason}, all of them in {keys.TRACEBACK_FILE} of run {run_id}"


class Trials:
    """The trials of one study."""

    def __init__(self, nested: NestedRuns) -> None:
        self._nested, self._connection = nested, nested.connection

    def load(self) -> list[Trial]:
        """Returns all trials by number, in one paged query.

        Raises:
            StudyError: two runs have one number, and both were used.
        """
        return [trial for trial, _ in without_twins(self._found())[0]]

    def adopt(self, say: Callable[[str], None] = lambda line: None) -> list[Trial]:
        """Returns all trials for a driver that goes on; those that were running are now KILLED.

        Those whose runs were deleted are FAILED: they keep their numbers, and are not tried again. Runs that
        were created twice are set aside.

        Args:
            say: gets a line if there were any.

        Raises:
            StudyError: as `load`.
        """
        used, twins = without_twins(self._found())
        set_all_aside(self._connection, twins, say)
        adopted = {trial.number: self._adopt(trial, run) for trial, run in used}
        for run in self._nested.find(view=ViewType.DELETED_ONLY):
            if keys.NUMBER in run.data.tags:
                trial = self._nested.read(run)
                adopted.setdefault(trial.number, given_up(trial))
        return [adopted[number] for number in sorted(adopted)]

    def runs(
        self, where: str = "", progress: Callable[[int], None] = lambda count: None
    ) -> list[tuple[Trial, Run]]:
        """Returns trials by number, each with its run in MLflow, in one paged query.

        Args:
            where: a filter in MLflow's own syntax; empty: all.
            progress: is called with the number of trials read so far.

        Raises:
            StoreError: the filter is not valid.
        """
        return without_twins(self._found(where, progress))[0]

    def _found(self, where: str = "", progress: Callable[[int], None] = lambda count: None) -> list[Pair]:
        trials = []
        with store_errors(f"where {where!r}" if where else "the tracking store refused"):
            for run in self._nested.find(where):
                if keys.NUMBER in run.data.tags:
                    trials.append((self._nested.read(run), run))
                    progress(len(trials))
        return trials

    def create(
        self,
        number: int,
        config: Config,
        seed: int,
        start: int = 0,
        source: int | None = None,
        constants: Constants = None,
        asks: bool = False,
    ) -> Trial:
        """Starts a trial's run, from the checkpoint at `start` of trial `source` if there is one."""
        tags = {keys.NUMBER: str(number), keys.STATE: str(State.RUNNING)}
        tags |= {} if source is None else {keys.SOURCE: to_json([source, start])}
        run_id = self._nested.create(f"trial-{number:04d}", config, tags, seed, constants, asks)
        return Trial(number, run_id, State.RUNNING, dict(config), start=start, source=source)

    def restart(self, trial: Trial, seed: int, constants: Constants = None, asks: bool = False) -> Trial:
        """Sets a trial's run to RUNNING again, for its next unit."""
        tags = {keys.STATE: str(State.RUNNING), keys.REASON: "", keys.NOTE: ""}
        with self._nested.writing(trial.run_id):
            self._connection.client.update_run(trial.run_id, status="RUNNING")
            params = run_params({} if asks else trial.config, seed, constants)
            self._connection.write(trial.run_id, params=params, tags=tags)
        return replace(trial, state=State.RUNNING, reason="")

    def record(self, trial: Trial, result: Result) -> Trial:
        """Records the results of a unit and what it used, once its checkpoint is stored."""
        with self._nested.writing(trial.run_id):
            trial = write_results(self._connection, trial, result, self._nested.metrics)
            self._terminate(trial)
        return trial

    def end(self, trial: Trial, state: State, reason: str, traceback: str = "") -> Trial:
        """Ends a trial that brought no result, with a reason for people."""
        traceback = without_secrets(traceback)
        reason = _cut(reason, trial.run_id if traceback else "")
        trial = replace(trial, state=state, reason=reason)
        shown = f"\n\n```\n{traceback[-TRACEBACK_SHOWN:]}\n```" if traceback else ""
        note = f"**{state}**: {reason}{shown}"
        tags = {keys.STATE: str(state), keys.REASON: reason, keys.NOTE: note}
        tags |= {keys.ENDED_ITSELF: "true"} if trial.ended_itself else {}
        with self._nested.writing(trial.run_id), ExitStack() as last:
            if state in STOPS_BELOW:
                last.callback(self._nested.end_below, trial.run_id, STATUS[state])
            self._connection.write(trial.run_id, tags=tags)
            self._terminate(trial)
            if traceback:
                self._connection.client.log_text(trial.run_id, traceback, keys.TRACEBACK_FILE)
        return trial

    def lose(self, trial: Trial, reason: str) -> Trial:
        """Records that a trial's worker died, and that its unit is to be given again."""
        trial = replace(trial, attempts=trial.attempts + 1)
        with self._nested.writing(trial.run_id):
            self._connection.write(trial.run_id, tags={keys.ATTEMPTS: str(trial.attempts)})
        return self.end(trial, State.KILLED, reason)

    def give_again(self) -> None:
        """Marks the failed trials as cut, so that a driver trains them again."""
        for trial in self.load():
            if trial.state is State.FAILED:
                self._connection.write(trial.run_id, tags={keys.ATTEMPTS: "0"})
                self.end(trial, State.KILLED, f"failed: {trial.reason}; it is to be trained again")

    def drop(self, trial: Trial, what: Dropped) -> Trial:
        """Deletes a trial's models and, if all is to go, its checkpoints; registered models stay."""
        with self._nested.writing(trial.run_id):
            uri = self._nested.drop(trial.run_id, trial.model_uri, what)
        return replace(trial, dropped=what, model_uri=uri)

    def drop_superseded(self, trial: Trial, model_uri: str) -> None:
        """Deletes the model that an earlier unit of a trial logged, unless the trial has no newer one."""
        if model_uri not in ("", trial.model_uri):
            delete_models(self._connection, self._nested.experiment_id, trial.run_id, only=model_uri)

    def _adopt(self, trial: Trial, run: Run) -> Trial:
        if is_half_dropped(run):
            trial = self.drop(trial, trial.dropped)
        if trial.state is State.RUNNING:
            return self.end(trial, State.KILLED, "its process ended without a word")
        if trial.is_over and run.info.status == "RUNNING":  # the driver died between record and status
            self._terminate(trial)
        return trial

    def _terminate(self, trial: Trial) -> None:
        if trial.state is State.PAUSED:
            self._connection.client.update_run(trial.run_id, status=STATUS[trial.state])
        elif trial.state in STATUS:
            self._connection.client.set_terminated(trial.run_id, STATUS[trial.state])
