"""The driver of a study: asks the deciders, hands units to workers, writes down what comes back."""

from collections.abc import Sequence
from concurrent.futures import Future
from contextlib import ExitStack, suppress
from time import sleep

from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.execution.executor import Executor, WorkerLost
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.schedulers import Plan, onward
from mlflow_hpo.store import StudyRun, quick
from mlflow_hpo.store.names import Names
from mlflow_hpo.study.by_hand import ByHand
from mlflow_hpo.study.ledger import Ledger, Observer
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.study.stopping import StopRules
from mlflow_hpo.study.units import RunningUnits
from mlflow_hpo.trial import Result, State, Trial, Unit
from mlflow_hpo.worker.dispatch import Dispatcher

TICK_SECONDS = 0.2


class Study:
    """One search under way; `trains_each`: each trial trains the epochs there are, unless it is ended."""

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
        self.rules, self.trains_each = StopRules(plan.info), not plan.model.asks
        self._executor, self._observer = executor, observer
        self.ledger, self._proposer = Ledger(run, plan, observer), Proposer(plan)
        self._scheduler, self._metric_is_sure = plan.info.scheduler, plan.metric_is_sure
        self._units = RunningUnits(self.dispatcher, self.ledger, self._proposer, plan)
        self._signals = Signals() if signals is None else signals
        self._by_hand = ByHand(run, self.space, self.ledger, self._units, self._proposer, observer.say)

    @property
    def trials(self) -> dict[int, Trial]:
        """Every trial, by number."""
        return self.ledger.trials

    @property
    def known(self) -> list[Trial]:
        """The trials, in order."""
        return self.ledger.known

    @property
    def running(self) -> list[Trial]:
        """The trials that are being trained."""
        return self.ledger.running

    @property
    def started(self) -> float:
        """`monotonic()` when this driver began."""
        return self.rules.started

    @property
    def plan(self) -> Plan:
        """What the scheduler is about to do."""
        return self._scheduler.plan

    def drive(self) -> None:
        """Runs the study to its end.

        Raises:
            Interrupted: a signal came; what ran is KILLED, and a resume goes on.
            StudyError: nothing finished, or the first trials all failed.
        """
        try:
            self._loop()
            self._signals.check()
            reason = self._stop_reason() or self.rules.patience_reason(self.ledger.seen)
            self._units.cut(reason)
            self.ledger.finish(reason)
        except BaseException as error:
            cut = self._signals.reason
            with suppress(Exception), quick():  # the store may be what failed, or another process drives now
                reason = cut or str(error) or type(error).__name__
                self._cut(reason, State.KILLED if cut else State.FAILED)
            self._signals.check()
            raise

    def _loop(self) -> None:
        self.ledger.adopt()
        if self.known:
            self.run.extra_runs.end_abandoned()
        self._observer.began(self)
        self.ledger.renames.say("hyperparameter", Names().of(self.space.names()))
        self.ledger.make_room()
        while True:
            self._signals.check()
            if self._stop_reason() or (not self._submit() and not self._units):
                return
            ended = self._units.wait(TICK_SECONDS)
            self._signals.check()  # what ended with it was cut, it did not fail
            self._tell(ended)
            self.ledger.best.write()
            self._by_hand.heed()
            self._observer.tick()

    def _submit(self) -> bool:
        """Gives every free worker a unit; tells whether any was given."""
        capacity, given = self._executor.workers if self._is_sure() else 1, False
        while not self._signals and self._units.start(self._next_unit, capacity - len(self._units)):
            given = True
        return given

    def _is_sure(self) -> bool:
        """Tells whether training is known to report the metric; until then one unit runs at a time."""
        return self._metric_is_sure or any(t.losses and t.state is not State.FAILED for t in self.known)

    def _next_unit(self) -> Unit | None:
        seen = self.ledger.seen
        more = not (self._proposer.is_exhausted or self.rules.is_out_of_patience(seen))
        return self._scheduler.next(seen, more) or self._baseline_unit()

    def _tell(self, ended: "Sequence[tuple[Future[Result], Trial]]") -> None:
        """Writes down what came back; results before failures, which may be all there is."""
        self.ledger.record([(trial, future.result()) for future, trial in ended if not future.exception()])
        for future, trial in ended:
            if future.exception():
                self._tell_failure(future, trial)

    def _tell_failure(self, future: "Future[Result]", trial: Trial) -> None:
        try:
            future.result()
        except TimeoutError:
            seconds = f"{self.info.settings.trial_timeout:g} s"
            self.ledger.fail(trial, f"took longer than the trial_timeout of {seconds}")
        except WorkerLost as lost:
            self._wait_for_signals()
            self.ledger.lose(trial, lost)
        except TrialError as error:
            self.ledger.fail(trial, str(error), error.details or str(error.__cause__).strip())
        except SetupError as error:
            if not self._is_sure():
                self.ledger.end(trial, State.FAILED, str(error))
                raise  # the next trial would meet it as well
            self.ledger.fail(trial, str(error))

    def _cut(self, reason: str, state: State) -> None:
        with ExitStack() as stack:
            stack.callback(self.run.end, state, reason)  # also if a trial cannot be ended
            stack.callback(self.ledger.best.write, at_once=True)
            self._units.cut(reason)

    def _stop_reason(self) -> str:
        return self.rules.reason(self.ledger.losses)

    def _baseline_unit(self) -> Unit | None:
        """Returns, when nothing else is to be done, the baseline's way to the end: gains are told from it."""
        first = self.trials.get(0)
        if self._units or first is None or first.epochs >= self.info.max_epochs:
            return None
        return onward(first, self.info.max_epochs) if self.plan.resting and first.can_go_on else None

    def _wait_for_signals(self) -> None:
        """Waits a moment: a signal to the whole process group may reach a worker before the driver."""
        sleep(TICK_SECONDS)
        self._signals.check()
