"""The driver of a study: asks the deciders, hands units to workers, writes down what comes back."""

from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import replace
from itertools import count
from time import sleep
from typing import Any

from mlflow_hpo.errors import Interrupted, SetupError, StudyError, TrialError
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.metric import best
from mlflow_hpo.report import summary
from mlflow_hpo.report.next_commands import resume_command
from mlflow_hpo.schedulers import PBT, Plan, onward
from mlflow_hpo.store import StudyRun
from mlflow_hpo.study.ledger import Ledger, Observer
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.study.signals import Signals
from mlflow_hpo.study.stopping import OUT_OF_PATIENCE, StopRules
from mlflow_hpo.trial import Dropped, Result, State, Trial, Unit
from mlflow_hpo.worker.dispatch import Dispatcher

HOPELESS = 5  # so many failed trials, and no other, end a study
TICK_SECONDS = 0.2


class Study:
    """One search under way."""

    def __init__(
        self,
        run: StudyRun,
        plan: StudyPlan,
        executor: Executor,
        observer: Observer,
        signals: Signals | None = None,
    ) -> None:
        """Sets up; nothing runs before `drive`.

        Args:
            signals: those that are being noted; without them, no signal cuts the study.
        """
        self.run, self.info, self.space, self.first = run, plan.info, plan.space, plan.first
        self.dispatcher = Dispatcher(run, plan.info, plan.spec, executor)
        self._executor, self._observer, self._model = executor, observer, plan.model
        self._ledger = Ledger(run, plan, observer)
        self._proposer, self.rules = Proposer(plan), StopRules(plan.info)
        self._scheduler, self._metric_is_sure = plan.info.scheduler, plan.metric_is_sure
        # How many setup errors are a single trial's: none until one trial has succeeded, because until then
        # every trial would fail alike.
        self._spared = 0
        self._units: dict[Future[Any], Unit] = {}
        self._signals = Signals() if signals is None else signals

    @property
    def trials(self) -> dict[int, Trial]:
        """Every trial, by number."""
        return self._ledger.trials

    @property
    def known(self) -> list[Trial]:
        """The trials, in order."""
        return self._ledger.known

    @property
    def running(self) -> list[Trial]:
        """The trials that are being trained."""
        return self._ledger.running

    @property
    def plan(self) -> Plan:
        """What the scheduler is about to do."""
        return self._scheduler.plan

    @property
    def started(self) -> float:
        """`monotonic()` when this driver began."""
        return self.rules.started

    def drive(self) -> None:
        """Runs the study to its end.

        Raises:
            Interrupted: a signal came; what ran is KILLED, and a resume goes on.
            StudyError: nothing finished, or the first trials all failed.
        """
        try:
            self._loop()
            self._check_signals()
            self._finish()
        except Interrupted as cut:
            self._cut(cut.reason, State.KILLED)
            raise
        except BaseException as error:
            with suppress(Exception):  # the store may be what failed
                self._cut(str(error) or type(error).__name__, State.FAILED)
            raise

    def _loop(self) -> None:
        self._ledger.adopt()
        self._observer.began(self)
        self._make_room()
        while True:
            self._check_signals()
            if self._stop_reason() or (not self._submit() and not self._units):
                return
            done, _ = wait(self._units, TICK_SECONDS, FIRST_COMPLETED)
            self._check_signals()  # what ended with it was cut, it did not fail
            for future in done:
                self._tell(future, self._units.pop(future))
            self._observer.tick()

    @property
    def _capacity(self) -> int:
        """How many units may run: one alone until it is known that training reports the metric."""
        return self._executor.workers if self._metric_is_sure or self._ledger.losses else 1

    def _submit(self) -> bool:
        """Gives every free worker a unit; tells whether any was given."""
        given = False
        while len(self._units) < self._capacity and not self._signals:
            unit = self._next_unit()
            if unit is None:
                break
            given |= self._start(unit)
        return given

    def _next_unit(self) -> Unit | None:
        seen = self._ledger.seen
        more = not (self._proposer.is_exhausted or self.rules.is_out_of_patience(seen))
        return self._scheduler.next(seen, more) or self._baseline_unit()

    def _start(self, unit: Unit) -> bool:
        """Starts a unit; tells whether it could: the algorithm may have nothing left to propose for it."""
        again = False
        if unit.trial is None:
            trial = self._new_trial(unit)
            if trial is None:
                return False
        else:
            before = self.trials[unit.trial]
            again = before.state is State.KILLED or before.dropped is Dropped.ALL
            ahead = {epoch: loss for epoch, loss in unit.thresholds.items() if epoch > before.epochs}
            unit = replace(unit, thresholds=ahead)
            seed = self.dispatcher.seed(before.number)
            trial = self.run.trials.restart(before, seed, self._model.constants)
        self._ledger.changed(trial)
        thresholds = self._ledger.with_scored_epochs(unit, trial)
        unit = replace(unit, trial=trial.number, thresholds=thresholds)
        source = None if unit.source is None else self.trials[unit.source].run_id
        self._units[self.dispatcher.submit_unit(trial, unit, source, again)] = unit
        return True

    def _new_trial(self, unit: Unit) -> Trial | None:
        number = next(n for n in count() if n not in self.trials)
        config = self._proposer.config(number, unit.source, self.trials, self._ledger.seen)
        if config is None:
            return None
        seed = self.dispatcher.seed(number)
        return self.run.trials.create(number, config, seed, unit.start, unit.source, self._model.constants)

    def _tell(self, future: "Future[Result]", unit: Unit) -> None:
        assert unit.trial is not None
        trial = self.trials[unit.trial]
        try:
            result = future.result()
        except TimeoutError:
            limit = self.info.settings.trial_timeout
            self._fail(trial, f"took longer than the trial_timeout of {limit:g} s")
        except WorkerLost as lost:
            self._wait_for_signals()
            self._fail(trial, str(lost))
        except TrialError as error:
            self._fail(trial, str(error), error.details or str(error.__cause__).strip())
        except SetupError as error:
            if self._spared:
                self._spared -= 1
                self._fail(trial, str(error))
                return
            self._ledger.end(trial, State.FAILED, str(error))
            raise  # the next trial would meet it as well
        else:
            self._record(trial, result)

    def _record(self, trial: Trial, result: Result) -> None:
        self._spared = HOPELESS
        self._ledger.record(trial, result)
        self._show()
        self._make_room()

    def _fail(self, trial: Trial, reason: str, traceback: str = "") -> None:
        self._ledger.end(trial, State.FAILED, reason, traceback)
        states = [t.state for t in self.known if t.state is not State.RUNNING]
        if len(states) >= HOPELESS and all(s is State.FAILED for s in states):
            first = self._ledger.first_failure
            raise StudyError(f"the first {len(states)} trials to end all failed; {first}")

    def _show(self) -> None:
        """Describes the study in the MLflow UI."""
        if losses := self._ledger.losses:
            results = sum(t.result_count for t in self.known)
            note = summary.describe(self.info, self.run.run_id, self.known, self.run.registrations)
            metric = self.info.metric
            self.run.show_best(metric.name, metric.value(min(losses)), results, note)

    def _finish(self) -> None:
        out_of_patience = self.rules.is_out_of_patience(self._ledger.seen)
        reason = self._stop_reason() or (OUT_OF_PATIENCE if out_of_patience else "")
        self._end_units(reason)
        for trial in self.known:
            if trial.state is State.PAUSED:
                self._ledger.end(trial, State.STOPPED, f"at epoch {trial.epochs} of {self.info.max_epochs}")
        if best(self.known) is None:
            raise StudyError(f"no trial finished; {self._ledger.first_failure}")
        self._show()
        self._make_room(ended=not (reason and self._copies))
        self.run.end(State.FINISHED, reason)

    @property
    def _copies(self) -> bool:
        return self.info.settings.scheduler == PBT

    def _make_room(self, ended: bool = False) -> None:
        """Deletes what need not be kept.

        Args:
            ended: no trial goes on. A study with copies that ended before its time may be resumed, and then
                they begin from checkpoints; any other trial would be trained from its beginning.
        """
        self._ledger.make_room(ended, self._copies and not ended)

    def _cut(self, reason: str, state: State) -> None:
        self._end_units(reason)
        self.run.end(state, reason)

    def _end_units(self, reason: str) -> None:
        """Cuts what runs, and waits until no worker can write to its trial any more."""
        for future in self._units:
            future.cancel()
        wait(self._units)
        self._units.clear()
        for trial in self.running:
            self._ledger.end(trial, State.KILLED, reason)

    def _stop_reason(self) -> str:
        return self.rules.reason(self._ledger.losses)

    def _baseline_unit(self) -> Unit | None:
        """Returns, when nothing else is to be done, the baseline's way to the end: gains are told from it."""
        first = self.trials.get(0)
        if self._units or first is None or first.epochs >= self.info.max_epochs:
            return None
        return onward(first, self.info.max_epochs) if self.plan.resting and first.can_go_on else None

    def _check_signals(self) -> None:
        self._signals.check(resume_command(self.info, self.run.run_id))

    def _wait_for_signals(self) -> None:
        """Waits a moment: a signal to the whole process group may reach a worker before the driver."""
        sleep(TICK_SECONDS)
        self._check_signals()
