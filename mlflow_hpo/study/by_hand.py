"""Does what people ask of a running study by hand: trials to add, to stop, to take for failed."""

from collections.abc import Callable
from dataclasses import replace

from mlflow_hpo.space import Space, same
from mlflow_hpo.store import StudyRun
from mlflow_hpo.store.history import learning_curve
from mlflow_hpo.store.wishes import ADD, FAIL, STOP, Wish, fulfilled
from mlflow_hpo.study.ledger import Ledger
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.units import RunningUnits
from mlflow_hpo.trial import Result, State, Trial

BY_HAND = "by hand"


class ByHand:
    """Follows the wishes on a study's run."""

    def __init__(
        self,
        run: StudyRun,
        space: Space,
        ledger: Ledger,
        units: RunningUnits,
        proposer: Proposer,
        say: Callable[[str], None],
    ) -> None:
        """Knows of no wish yet."""
        self._run, self._space, self._ledger, self._units = run, space, ledger, units
        self._proposer, self._say, self._seen = proposer, say, set[str]()
        self._open = list[Wish]()  # heeded, and still on the run

    def heed(self) -> None:
        """Does what is new, and takes it off the run."""
        lease = self._run.lease
        for wish in lease.wishes if lease else []:
            if wish.key not in self._seen and (said := self._done(wish)):
                self._seen.add(wish.key)
                self._open.append(wish)
                self._say(said)
        for wish in [wish for wish in self._open if not self._is_waiting(wish)]:
            fulfilled(self._run.connection, self._run.run_id, wish)  # not before: a driver may be killed
            self._open.remove(wish)

    def _is_waiting(self, wish: Wish) -> bool:
        return wish.what == ADD and wish.config in self._proposer.added

    def _is_tried(self, wish: Wish) -> bool:
        return any(same(wish.config, trial.config) for trial in self._ledger.known)

    def _done(self, wish: Wish) -> str:
        """Does it; returns what came of it, in words; nothing if it is to be tried again."""
        if wish.what == ADD and wish.config is not None:
            if self._is_tried(wish):
                return "a trial that somebody added was tried already"
            if fault := self._space.fault(wish.config) if self._space.parameters else "":
                return f"a trial that somebody added is left out: {fault}"
            self._proposer.added.append(wish.config)
            return "somebody added a trial: it is the next that begins"
        trial = self._ledger.trials.get(wish.trial)
        if wish.what not in (STOP, FAIL) or trial is None:
            return f"what somebody asked for by hand is not known here: {wish.what or wish.key!r}"
        if trial.is_over:
            return f"trial {trial.number} was to be {_ended(wish)} by hand, and is over already"
        if not self._units.cut_one(trial.number):
            return ""
        self._end(self._ledger.trials[trial.number], wish)
        return f"trial {trial.number} was {_ended(wish)} by hand{f': {wish.reason}' if wish.reason else ''}"

    def _end(self, trial: Trial, wish: Wish) -> None:
        """Ends a trial for good: with the results that it has, or without any as one that failed."""
        if wish.what == STOP and not trial.losses and (result := self._so_far(trial)):
            self._ledger.record([(trial, result)])
            trial = self._ledger.trials[trial.number]
        is_failed = wish.what == FAIL or not trial.losses
        where = f" at epoch {trial.epochs} of {self._ledger.info.max_epochs}" if trial.losses else ""
        reason = f"{_ended(wish)} {BY_HAND}{where}" + (f": {wish.reason}" if wish.reason else "")
        state = State.FAILED if is_failed else State.FINISHED
        self._ledger.end(replace(trial, ended_itself=not is_failed), state, reason)

    def _so_far(self, trial: Trial) -> Result | None:
        """Returns what a trial whose only unit was cut has logged so far; None if that is nothing."""
        info = self._ledger.info
        names = [metric.name for metric in info.metrics] + [c.metric.name for c in info.constraints]
        curves = {name: dict(learning_curve(self._run, trial, name)) for name in names}
        if not (first := curves[info.metric.name]):
            return None
        last = counts = max(first)
        if info.at_best:
            counts = min(first, key=lambda epoch: (info.metric.loss(first[epoch]), epoch))
        values = {name: {last: curve[counts]} for name, curve in curves.items() if counts in curve}
        best = counts if info.at_best else None
        return Result(values, State.FINISHED, 0.0, 0.0, 0, ended_itself=True, best_epoch=best)


def _ended(wish: Wish) -> str:
    return "stopped" if wish.what == STOP else "taken for failed"
