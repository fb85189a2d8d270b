"""The units of a study that workers train now."""

from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import count, zip_longest
from typing import Any

from mlflow_hpo.errors import RunDeletedError
from mlflow_hpo.store.together import WRITERS, together
from mlflow_hpo.study.ledger import Ledger
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.trial import Dropped, Result, State, Trial, Unit
from mlflow_hpo.worker.dispatch import Dispatcher


@dataclass(frozen=True)
class _Draft:
    """A unit whose run is still to be written.

    Attributes:
        number: its trial's.
        before: the trial; None: it is a new one.
        write: creates the run, or sets it to RUNNING again.
    """

    unit: Unit
    number: int
    before: Trial | None
    write: Callable[[], Trial]


class RunningUnits:
    """Begins trials and sends their units to workers, and cuts what runs."""

    def __init__(self, dispatcher: Dispatcher, ledger: Ledger, proposer: Proposer, plan: StudyPlan) -> None:
        """Nothing runs yet."""
        self._dispatcher, self._ledger, self._proposer = dispatcher, ledger, proposer
        self._asks = plan.asks
        self._how: dict[str, Any] = {"constants": plan.model.constants, "asks": plan.asks}
        self._numbers: dict[Future[Result], int] = {}
        self._drafts: list[_Draft] = []

    def __len__(self) -> int:
        return len(self._numbers) + len(self._drafts)

    def start(self, next_unit: Callable[[], Unit | None], most: int) -> int:
        """Starts some units, at most so many; returns how many. Their runs are written together.

        Args:
            next_unit: gives the next; the algorithm may have nothing left to propose for it.
        """
        drafts = self._drafts
        writes = list[Future[Trial]]()
        try:
            while len(drafts) < min(most, WRITERS) and (unit := next_unit()) is not None:
                if draft := self._draft(unit):
                    drafts.append(draft)
            writes = together(self._dispatcher.run.connection.uri, [draft.write for draft in drafts])
        finally:
            self._drafts = []
            for draft, write in zip_longest(drafts, writes):
                if draft.before is None and (write is None or write.exception()):  # it has no run
                    del self._ledger.trials[draft.number]
        with ExitStack() as stack:  # what was written begins, whatever became of the others
            for draft, write in reversed([*zip(drafts, writes, strict=True)]):
                stack.callback(self._begin, draft, write)
        return len(drafts)

    def _draft(self, unit: Unit) -> "_Draft | None":
        """Decides what a unit trains; from now on its trial counts as running."""
        trials, store = self._ledger.trials, self._dispatcher.run.trials
        number = next(n for n in count() if n not in trials) if unit.trial is None else unit.trial
        seed, before = self._dispatcher.seed(number), trials.get(number)
        if before is not None:
            trials[number] = replace(before, state=State.RUNNING)
            return _Draft(unit, number, before, partial(store.restart, before, seed, **self._how))
        config = self._proposer.config(number, unit.source, trials, self._ledger.seen)
        if config is None:
            return None
        trials[number] = Trial(number, "", State.RUNNING, config, start=unit.start, source=unit.source)
        write = partial(store.create, number, config, seed, unit.start, unit.source, **self._how)
        return _Draft(unit, number, None, write)

    def _begin(self, draft: "_Draft", write: "Future[Trial]") -> None:
        """Sends a unit to a worker, once its run was written."""
        unit, before = draft.unit, draft.before
        try:
            trial = write.result()
        except RunDeletedError:
            assert before is not None
            self._ledger.give_up(before)
            return
        cut = before is not None and (before.state is State.KILLED or before.dropped is Dropped.ALL)
        self._ledger.changed(trial)
        thresholds = self._ledger.with_scored_epochs(unit, trial)
        unit = replace(unit, trial=trial.number, thresholds=thresholds)
        source = None if unit.source is None else self._ledger.trials[unit.source].run_id
        self._numbers[self._dispatcher.submit_unit(trial, unit, source, cut)] = trial.number

    def wait(self, seconds: float) -> list[tuple["Future[Result]", Trial]]:
        """Waits for a unit to end, and gives those that did, each with its trial."""
        done, _ = wait(self._numbers, seconds, FIRST_COMPLETED)
        return [(future, self._ended(self._ledger.trials[self._numbers.pop(future)])) for future in done]

    def _ended(self, trial: Trial) -> Trial:
        """Returns a trial whose unit ended; of an objective that asks, with the config that it asked for."""
        if self._asks:
            with suppress(RunDeletedError):  # met again when its end is written
                self._ledger.changed(self._dispatcher.run.with_asked(trial))
        return self._ledger.trials[trial.number]

    def cut_one(self, number: int) -> bool:
        """Cuts a trial's unit, if one runs, and waits until no worker can write to the trial any more.

        Returns:
            Whether it could be: what has just ended is still to be written down.
        """
        for future in [future for future, trial in self._numbers.items() if trial == number]:
            future.cancel()
            wait([future])
            if not future.cancelled():
                return False
            del self._numbers[future]
        return True

    def cut(self, reason: str) -> None:
        """Cuts what runs, and waits until no worker can write to its trial any more."""
        for future in self._numbers:
            future.cancel()
        wait(self._numbers)
        self._numbers.clear()
        with ExitStack() as stack:
            for trial in self._ledger.running:  # each of them: a resume trains them again
                stack.callback(self._ledger.end, trial, State.KILLED, reason)
