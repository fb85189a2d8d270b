"""Keeps a study's trials in memory, writes each change to the store and tells the observer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from functools import partial
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Protocol

from mlflow_hpo.algorithms import watched
from mlflow_hpo.errors import RunDeletedError, StudyError
from mlflow_hpo.execution.executor import WorkerLost
from mlflow_hpo.report import summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import ordered
from mlflow_hpo.report.winner import winner as winner_of
from mlflow_hpo.schedulers import PBT, Plan
from mlflow_hpo.store import StudyRun
from mlflow_hpo.store.together import together
from mlflow_hpo.store.trials import given_up
from mlflow_hpo.study.best_so_far import BestSoFar
from mlflow_hpo.study.judging import judged
from mlflow_hpo.study.retention import to_drop
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.trial import Result, State, Trial, Unit

if TYPE_CHECKING:
    from mlflow_hpo.study.driver import Study

HOPELESS = 5  # so many trials end a study, if they are its first ones and failed, and no other ended


class Observer(Protocol):
    """Follows a running study."""

    def began(self, study: "Study") -> None:
        """Is called before the first unit starts."""

    def changed(self, trial: Trial) -> None:
        """Is called when a trial's state has changed."""

    def tick(self) -> None:
        """Is called several times a second."""

    def say(self, line: str) -> None:
        """Is called with a line for people."""


class KnownTrials:
    """What is known of the trials of a study.

    Attributes:
        trials: every trial, by number.
        deleted: the numbers of those whose runs somebody deleted meanwhile.
    """

    def __init__(self, plan: StudyPlan) -> None:
        self.trials: dict[int, Trial] = {}
        self.deleted = set[int]()
        self._info = plan.info
        self._watched = watched(plan.earlier, self._plan.rungs)

    @property
    def info(self) -> StudyInfo:
        """What the study was asked, and what followed."""
        return self._info

    @property
    def _plan(self) -> Plan:
        return self._info.plan

    @property
    def known(self) -> list[Trial]:
        """The trials, in order."""
        return [self.trials[number] for number in sorted(self.trials)]

    @property
    def seen(self) -> list[Trial]:
        """The trials as deciders see them."""
        rungs = (*self._plan.rungs, *self._watched)
        return [trial.extended_to(rungs) for trial in self.known]

    @property
    def running(self) -> list[Trial]:
        """The trials that are being trained."""
        return [t for t in self.known if t.state is State.RUNNING]

    @property
    def losses(self) -> Iterator[float]:
        """Every loss of the trials that did not fail."""
        sound = (trial for trial in self.trials.values() if trial.state is not State.FAILED)
        return (loss for t in sound for epoch, loss in t.losses.items() if not t.violation(epoch))

    @property
    def first_failure(self) -> str:
        """The first reason that a trial has, in words."""
        first = next((t for t in self.known if t.reason), None)
        return f"trial {first.number}: {first.reason}" if first else "none was trained"

    @property
    def is_hopeless(self) -> bool:
        """Tells whether the first trials all failed, and no other ended.

        The first by their numbers: bad ones may end before one that is good and slow.
        """
        counted = [t for t in self.known if t.number not in self.deleted]
        first = counted[:HOPELESS]
        ended = [*first, *(t for t in counted if t.state is not State.RUNNING)]
        return len(first) == HOPELESS and all(t.state is State.FAILED for t in ended)


class Renames:
    """Says, once for each name, under which other one it is logged."""

    def __init__(self, observer: Observer) -> None:
        self._observer, self._said = observer, set[tuple[str, str]]()

    def say(self, kind: str, renamed: Mapping[str, str]) -> None:
        """Says those that are new, in one line.

        Args:
            kind: what they name.
            renamed: names, with those that MLflow takes in their place.
        """
        new = {n: short for n, short in renamed.items() if n != short and (kind, n) not in self._said}
        self._said |= {(kind, name) for name in new}
        if new:
            pairs = ", ".join(f"{name!r} as {short!r}" for name, short in new.items())
            self._observer.say(f"{kind} names that MLflow does not take are logged under others: {pairs}")


class Ledger(KnownTrials):
    """Keeps the trials of a study.

    Attributes:
        resumed: how many trials had results when this driver began.
        begun: number of a trial -> `monotonic()` when its last unit began.
        renames: what is said of names that MLflow does not take.
        best: what the study's run says of the best trial so far.
    """

    def __init__(self, run: StudyRun, plan: StudyPlan, observer: Observer) -> None:
        super().__init__(plan)
        self.resumed, self.begun = 0, dict[int, float]()
        self._run, self._observer = run, observer
        self.renames = Renames(observer)
        self.best = BestSoFar(run, plan.info, self.describe)
        asked = plan.info.settings
        single = asked.folds == asked.repeats == 1  # several would train from rung to rung
        rungs = self._plan.rungs if single and self._info.scores_every_epoch else ()
        self._scored_epochs = {*self._watched, *rungs}

    def adopt(self) -> None:
        """Reads the trials of a study that goes on; what was running is to be trained again."""
        adopted = self._run.trials.adopt(self._observer.say)
        self.trials = {t.number: as_recorded(t, self._run, self._info) for t in adopted}
        self.resumed = with_results(self.known)

    def changed(self, trial: Trial) -> None:
        """Notes a trial as it is now."""
        self.trials[trial.number] = trial
        if trial.state is State.RUNNING:
            self.begun[trial.number] = monotonic()
        self._observer.changed(trial)

    def give_up(self, trial: Trial) -> None:
        """Notes that somebody has deleted a trial's run."""
        self.deleted.add(trial.number)
        self.changed(given_up(trial))

    def _written(self, trial: Trial, change: Callable[[], Trial]) -> bool:
        """Changes a trial in the store, and here; gives it up, and returns False, if its run was deleted."""
        try:
            changed = change()
        except RunDeletedError:
            self.give_up(trial)
            return False
        self.changed(changed)
        return True

    def end(self, trial: Trial, state: State, reason: str, traceback: str = "") -> None:
        """Ends a trial otherwise than by a result."""
        self._written(trial, lambda: self._run.trials.end(trial, state, reason, traceback))

    def record(self, results: Sequence[tuple[Trial, Result]]) -> None:
        """Records the results of units, each of another trial; and now and then what is best so far."""
        record = self._run.trials.record
        calls = [partial(record, trial, judged(self._info, trial, result)) for trial, result in results]
        writes = together(self._run.connection.uri, calls)
        with ExitStack() as stack:  # all that was written is noted, whatever became of the others
            for (trial, result), write in reversed([*zip(results, writes, strict=True)]):
                stack.callback(self._recorded, trial, result, write)
        self.best.write()

    def _recorded(self, trial: Trial, result: Result, write: "Future[Trial]") -> None:
        self.renames.say("metric", result.renamed)
        if not self._written(trial, write.result):
            return
        self.best.note(self.known)
        if self._info.settings.kept_models is not None and trial.losses:
            self._run.trials.drop_superseded(self.trials[trial.number], trial.model_uri)
        self.make_room()

    def describe(self) -> str:
        """Returns the study's description, for the MLflow UI."""
        run = self._run
        return summary.describe(self._info, run.run_id, self.known, run.registrations, run.loads.values())

    def fail(self, trial: Trial, reason: str, traceback: str = "") -> None:
        """Ends a trial that failed.

        Raises:
            StudyError: the first ones all failed, and no other ended, so that no trial will succeed.
        """
        self.end(trial, State.FAILED, reason, traceback)
        if self.is_hopeless:
            raise StudyError(f"the first {HOPELESS} trials all failed; {self.first_failure}")

    def lose(self, trial: Trial, lost: WorkerLost) -> None:
        """Notes that a trial's worker died: its unit is given again, unless that happened too often.

        Raises:
            StudyError: as `fail`.
        """
        retries = self._info.settings.retries
        if trial.attempts >= retries:
            self.fail(trial, lost.times(trial.attempts + 1))
        else:
            again = f"trained again, {trial.attempts + 1} of {retries} times"
            self._written(trial, lambda: self._run.trials.lose(trial, f"{lost}; it is {again}"))

    def finish(self, reason: str) -> None:
        """Ends the study.

        Args:
            reason: why it ends before its time; empty if it does not.

        Raises:
            StudyError: no trial finished.
        """
        for trial in self.known:
            if trial.state is State.PAUSED:
                self.end(trial, State.STOPPED, f"at epoch {trial.epochs} of {self._info.max_epochs}")
        while (winner := winner_of(self._info, self.known)) and self._run.connection.is_deleted(
            winner.run_id
        ):
            self.give_up(winner)
        if not winner:
            raise StudyError(f"no trial finished; {self.first_failure}")
        self._run.set_twins_aside(self.known, self._observer.say)
        self.best.note(self.known)
        self.best.write(at_once=True)
        # Copies begin from checkpoints, if a study that ended before its time is resumed.
        self.make_room(ended=not (reason and self._info.settings.scheduler == PBT))
        self._run.end(State.FINISHED, reason)

    def with_scored_epochs(self, unit: Unit, trial: Trial) -> dict[int, float]:
        """Returns the unit's thresholds, with the epochs on the way at which its loss is wanted, too."""
        new = self._scored_epochs - set(trial.losses)
        passed = {epoch: inf for epoch in new if unit.start < epoch < unit.stop}
        bars = {epoch: loss for epoch, loss in unit.thresholds.items() if epoch > trial.epochs}
        if self._info.is_plain or not self._plan.resting:
            return passed | bars
        return passed | dict.fromkeys(bars, -inf)  # a loss alone does not tell: it rests, and is ranked

    def make_room(self, ended: bool = False) -> None:
        """Deletes the models and checkpoints that need not be kept.

        Args:
            ended: no trial goes on, and no copy begins from a checkpoint.
        """
        if (keep := self._info.settings.kept_models) is None:
            return
        copies = self._info.settings.scheduler == PBT and not ended
        ranked = ordered(self._info, self.known)
        for number, what in to_drop(self.known, keep, ended, copies, ranked).items():
            try:
                self.trials[number] = self._run.trials.drop(self.trials[number], what)
            except RunDeletedError:
                self.give_up(self.trials[number])


def as_recorded(trial: Trial, run: StudyRun, info: StudyInfo) -> Trial:
    """Ends a trial whose last losses are recorded, but not that it is over: the store wrote half."""
    has_ended = trial.ended_itself or trial.epochs >= info.max_epochs
    if trial.state is not State.KILLED or not has_ended:
        return trial
    reason = f"ended by itself at epoch {trial.epochs}" if trial.ended_itself else ""
    return run.trials.end(trial, State.FINISHED, reason)


def with_results(trials: Sequence[Trial]) -> int:
    """Returns the number of trials that have a result or failed."""
    return sum(trial.result_count > 0 for trial in trials)
