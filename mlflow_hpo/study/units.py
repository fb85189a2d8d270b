"""The units of a study that workers train now."""

from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import replace
from itertools import count

from mlflow_hpo.errors import RunDeletedError
from mlflow_hpo.study.ledger import Ledger
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.trial import Dropped, Result, State, Trial, Unit
from mlflow_hpo.worker.dispatch import Dispatcher


class RunningUnits:
    """Begins trials and sends their units to workers, and cuts what runs."""

    def __init__(self, dispatcher: Dispatcher, ledger: Ledger, proposer: Proposer, plan: StudyPlan) -> None:
        """Nothing runs yet."""
        self._dispatcher, self._ledger, self._proposer = dispatcher, ledger, proposer
        self._constants, self._asks = plan.model.constants, plan.asks
        self._numbers: dict[Future[Result], int] = {}

    def __len__(self) -> int:
        return len(self._numbers)

    def start(self, unit: Unit) -> bool:
        """Starts a unit; tells whether it could: the algorithm may have nothing left to propose for it."""
        before = None if unit.trial is None else self._ledger.trials[unit.trial]
        try:
            trial = self._new_trial(unit) if before is None else self._restarted(before)
        except RunDeletedError:
            assert before is not None
            self._ledger.give_up(before)
            return True
        if trial is None:
            return False
        cut = before is not None and (before.state is State.KILLED or before.dropped is Dropped.ALL)
        self._ledger.changed(trial)
        thresholds = self._ledger.with_scored_epochs(unit, trial)
        unit = replace(unit, trial=trial.number, thresholds=thresholds)
        source = None if unit.source is None else self._ledger.trials[unit.source].run_id
        self._numbers[self._dispatcher.submit_unit(trial, unit, source, cut)] = trial.number
        return True

    def _new_trial(self, unit: Unit) -> Trial | None:
        trials = self._ledger.trials
        number = next(n for n in count() if n not in trials)
        config = self._proposer.config(number, unit.source, trials, self._ledger.seen)
        if config is None:
            return None
        seed, store = self._dispatcher.seed(number), self._dispatcher.run.trials
        return store.create(number, config, seed, unit.start, unit.source, self._constants, self._asks)

    def _restarted(self, trial: Trial) -> Trial:
        seed = self._dispatcher.seed(trial.number)
        return self._dispatcher.run.trials.restart(trial, seed, self._constants, self._asks)

    def wait(self, seconds: float) -> Iterator[tuple["Future[Result]", Trial]]:
        """Waits for a unit to end, and gives those that did, each with its trial."""
        done, _ = wait(self._numbers, seconds, FIRST_COMPLETED)
        return ((future, self._ended(self._ledger.trials[self._numbers.pop(future)])) for future in done)

    def _ended(self, trial: Trial) -> Trial:
        """Returns a trial whose unit ended; of an objective that asks, with the config that it asked for."""
        if self._asks:
            with suppress(RunDeletedError):  # met again when its end is written
                self._ledger.changed(self._dispatcher.run.with_asked(trial))
        return self._ledger.trials[trial.number]

    def cut_one(self, number: int) -> None:
        """Cuts a trial's unit, if one runs, and waits until no worker can write to the trial any more."""
        for future in [future for future, trial in self._numbers.items() if trial == number]:
            future.cancel()
            wait([future])
            del self._numbers[future]

    def cut(self, reason: str) -> None:
        """Cuts what runs, and waits until no worker can write to its trial any more."""
        for future in self._numbers:
            future.cancel()
        wait(self._numbers)
        self._numbers.clear()
        with ExitStack() as stack:
            for trial in self._ledger.running:  # each of them: a resume trains them again
                stack.callback(self._ledger.end, trial, State.KILLED, reason)
