"""The driver of a study: ask the deciders, hand units to workers, write down what comes back."""

from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import replace
from itertools import count
from math import inf
from time import monotonic, sleep
from typing import Any, Protocol

from mlflow_hpo.algorithms import propose, watched
from mlflow_hpo.errors import Interrupted, SetupError, StudyError, TrialError
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.inputs import Inputs
from mlflow_hpo.report import summary
from mlflow_hpo.schedulers import Plan, onward, since_better
from mlflow_hpo.schedulers.explore import explore
from mlflow_hpo.store import StudyRun
from mlflow_hpo.study.retention import to_drop
from mlflow_hpo.study.signals import Signals
from mlflow_hpo.trial import STOPPED, Config, Dropped, Result, State, Trial, Unit, best
from mlflow_hpo.worker.dispatch import make_task, seed_of
from mlflow_hpo.worker.train import Assignment, train

HOPELESS = 5  # so many failed trials, and no other, end a study
TICK_SECONDS = 0.2


class Observer(Protocol):
    """Is told what happens, as it happens."""

    def began(self, study: "Study") -> None:
        """The first unit is about to start."""

    def changed(self, trial: Trial) -> None:
        """A trial's state changed."""

    def tick(self) -> None:
        """A moment passed."""


class Study:
    """One search under way.

    Attributes:
        trials: every trial, by number.
        started: `monotonic()` when this driver began.
    """

    def __init__(
        self,
        run: StudyRun,
        inputs: Inputs,
        executor: Executor,
        observer: Observer,
        signals: Signals | None = None,
    ) -> None:
        """Set up; nothing runs before `drive`.

        Args:
            signals: those that are being noted; without them, no signal cuts the study.
        """
        self.run, self.settings, self.model, self.space = run, inputs.settings, inputs.model, inputs.space
        self.trials: dict[int, Trial] = {}
        self.started = monotonic()
        self._executor, self._observer = executor, observer
        self._algorithm = self.settings.make_algorithm(self.space)
        self._scheduler = self.settings.make_scheduler()
        self.given, self._earlier, self._sure = inputs.given, inputs.earlier, inputs.sure
        self._watched = watched(self._earlier, self.plan.rungs)
        one = self.settings.folds == self.settings.repeats == 1  # several would train from rung to rung
        rungs = self.plan.rungs if one and self.settings.is_scored_at_any else ()
        self._told = {*self._watched, *rungs}  # the epochs whose losses a unit tells as it passes them
        self._spared = 0  # how many mistakes may be a trial's own: none, until this driver saw one succeed
        self._exhausted = False  # the algorithm has nothing left to propose
        self._units: dict[Future[Any], Unit] = {}
        self._signals = Signals() if signals is None else signals

    @property
    def known(self) -> list[Trial]:
        """The trials, in order."""
        return [self.trials[number] for number in sorted(self.trials)]

    @property
    def _places(self) -> int:
        """How many units may run: one alone until it is known that training reports the metric."""
        return self._executor.workers if self._sure or self._losses else 1

    @property
    def _seen(self) -> list[Trial]:
        """The trials as deciders see them."""
        rungs = (*self.plan.rungs, *self._watched)
        return [trial.extended_to(rungs) for trial in self.known]

    @property
    def plan(self) -> Plan:
        """What the scheduler is about to do."""
        return self._scheduler.plan

    @property
    def _losses(self) -> list[float]:
        """Every loss of the trials that did not fail."""
        return [loss for t in self.known if t.state is not State.FAILED for loss in t.losses.values()]

    @property
    def running(self) -> list[Trial]:
        """The trials that are being trained."""
        return [t for t in self.known if t.state is State.RUNNING]

    def drive(self) -> None:
        """Run the study to its end.

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
        self.trials = {t.number: self._as_recorded(t) for t in self.run.trials.adopt()}
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

    def _submit(self) -> bool:
        """Give every free worker a unit; whether any was given."""
        given = False
        while len(self._units) < self._places and not self._signals:
            more = not (self._exhausted or self._is_stale())
            unit = self._scheduler.next(self._seen, more) or self._baseline_unit()
            if unit is None:
                break
            given |= self._start(unit)
        return given

    def _start(self, unit: Unit) -> bool:
        """Start a unit; False where the algorithm has nothing left to propose for it."""
        store = self.run.trials
        if unit.trial is None:
            number, again = next(n for n in count() if n not in self.trials), False
            config = self._config(number, unit.source)
            if config is None:
                self._exhausted = True
                return False
            seed = seed_of(self.settings, number)
            constants = self.model.constants
            trial = store.create(number, config, seed, unit.start, unit.source, constants)
        else:
            number = unit.trial
            before = self.trials[number]
            again = before.state is State.KILLED or before.dropped is Dropped.ALL
            ahead = {epoch: loss for epoch, loss in unit.thresholds.items() if epoch > before.epochs}
            unit = replace(unit, thresholds=ahead)
            trial = store.restart(before, seed_of(self.settings, number), self.model.constants)
        self._changed(trial)
        new = self._told - set(trial.losses)
        passed = {epoch: inf for epoch in new if unit.start < epoch < unit.stop}
        unit = replace(unit, trial=number, thresholds=passed | dict(unit.thresholds))
        assignment = self._assignment(trial, unit, again)
        left = self.settings.seconds_left(trial.seconds)
        future = self._executor.submit(train, assignment, timeout_s=left, near=trial.run_id)
        self._units[future] = unit
        return True

    def _assignment(self, trial: Trial, unit: Unit, again: bool) -> Assignment:
        seed = trial.config.get("seed", seed_of(self.settings, trial.number))
        source = None if unit.source is None else self.trials[unit.source].run_id
        task = make_task(self.settings, self.run)
        return Assignment(task, unit, trial.run_id, trial.config, seed, source, trial.seconds, again)

    def _config(self, number: int, source: int | None) -> Config | None:
        seed, model = self.settings.seed, self.model
        if source is not None:
            return explore(self.space, self.trials[source].config, model.changeable, number, seed)
        if number == 0:
            return model.baseline(self.space)
        if number <= len(self.given):
            return self.given[number - 1]
        return propose(self._algorithm, self.space, [*self._earlier, *self._seen], number, seed)

    def _tell(self, future: "Future[Result]", unit: Unit) -> None:
        assert unit.trial is not None
        trial = self.trials[unit.trial]
        try:
            result = future.result()
        except TimeoutError:
            self._fail(trial, f"took longer than the trial_timeout of {self.settings.trial_timeout:g} s")
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
            self._changed(self.run.trials.end(trial, State.FAILED, str(error)))
            raise  # the next trial would meet it as well
        else:
            self._record(trial, result)

    def _record(self, trial: Trial, result: Result) -> None:
        over = result.ended or result.stopped or result.epochs >= self.settings.epochs
        state = State.FINISHED if over else State.PAUSED
        losses = {epochs: self.settings.loss(value) for epochs, value in result.values.items()}
        self._spared = HOPELESS
        self._changed(self.run.trials.record(trial, result, losses, state))
        self._show()
        if self.settings.kept_models is not None and trial.losses:
            self.run.trials.drop_superseded(self.trials[trial.number])
        self._make_room()

    def _fail(self, trial: Trial, reason: str, traceback: str = "") -> None:
        self._changed(self.run.trials.end(trial, State.FAILED, reason, traceback))
        states = [t.state for t in self.known if t.state is not State.RUNNING]
        if len(states) >= HOPELESS and all(s is State.FAILED for s in states):
            raise StudyError(f"the first {len(states)} trials to end all failed; {self._first_failure()}")

    def _changed(self, trial: Trial) -> None:
        self.trials[trial.number] = trial
        self._observer.changed(trial)

    def _show(self) -> None:
        if not self._losses:
            return
        results = sum(t.results for t in self.known)
        note = summary.describe(self.settings, self.run.run_id, self.known, self.run.registrations)
        self.run.show_best(self.settings.metric, self.settings.value(min(self._losses)), results, note)

    def _finish(self) -> None:
        reason = self._stop_reason() or ("ended by its patience" if self._is_stale() else "")
        self._end_units(reason)
        for trial in self.known:
            if trial.state is State.PAUSED:
                stopped = f"{STOPPED} {trial.epochs} of {self.settings.epochs}"
                self._changed(self.run.trials.end(trial, State.FINISHED, stopped))
        if best(self.known) is None:
            raise StudyError(f"no trial finished; {self._first_failure()}")
        self._show()
        self._make_room(ended=not (reason and self.settings.scheduler == "pbt"))
        self.run.end(State.FINISHED, reason)

    def _make_room(self, ended: bool = False) -> None:
        """Delete the models and checkpoints of trials that dropped out of the best, as far as that is asked.

        Args:
            ended: whether no trial goes on. One of pbt that ended before its time may be resumed, and then
                copies begin from checkpoints; any other trial would be trained from its beginning.
        """
        keep = self.settings.kept_models
        if keep is None:
            return
        copies = self.settings.scheduler == "pbt" and not ended
        for number, what in to_drop(self.known, keep, self.settings.epochs, ended, copies).items():
            self.trials[number] = self.run.trials.drop(self.trials[number], what)

    def _first_failure(self) -> str:
        first = next((t for t in self.known if t.reason), None)
        return f"trial {first.number}: {first.reason}" if first else "none was trained"

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
            self._changed(self.run.trials.end(trial, State.KILLED, reason))

    def _stop_reason(self) -> str:
        """Why the study ends at once, with what runs; empty while it does not."""
        limit, target = self.settings.timeout, self.settings.target
        if limit is not None and monotonic() - self.started > limit:
            return f"ended by its timeout of {limit:g} s"
        if target is not None and any(loss <= self.settings.loss(target) for loss in self._losses):
            return f"ended by its target: {self.settings.metric} reached {target:g}"
        return ""

    def _is_stale(self) -> bool:
        """Whether the last `patience` trials brought no better one: then no more begin."""
        patience = self.settings.patience
        if patience is None:
            return False
        plan = self.plan
        return since_better(self._seen, plan.rungs, plan.firsts) >= patience

    def _baseline_unit(self) -> Unit | None:
        """When nothing else is to be done: the baseline's way to the end, or gains would mean little."""
        first = self.trials.get(0)
        if self._units or first is None or first.epochs >= self.settings.epochs:
            return None
        rests = first.state is State.PAUSED or first.reason.startswith(STOPPED)
        return onward(first, self.settings.epochs) if rests else None

    def _as_recorded(self, trial: Trial) -> Trial:
        """A store that writes tags one by one may have a trial's last losses, and not that it is over."""
        if trial.state is State.KILLED and trial.complete:
            return self.run.trials.end(trial, State.FINISHED, f"ended by itself at epoch {trial.epochs}")
        if trial.state is State.KILLED and trial.epochs >= self.settings.epochs:
            return self.run.trials.end(trial, State.FINISHED, "")
        return trial

    def _check_signals(self) -> None:
        self._signals.check(summary.resume_command(self.settings, self.run.run_id))

    def _wait_for_signals(self) -> None:
        """A signal to the whole process group may reach a worker a moment before it reaches the driver."""
        sleep(TICK_SECONDS)
        self._check_signals()
