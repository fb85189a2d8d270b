"""Does what people ask of a running study by hand: trials to add, to stop, to take for failed."""

from collections.abc import Callable
from dataclasses import replace

from mlflow_hpo.space import Space, same
from mlflow_hpo.store import StudyRun
from mlflow_hpo.store.wishes import ADD, FAIL, STOP, Wish, fulfilled
from mlflow_hpo.study.ledger import Ledger
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.units import RunningUnits
from mlflow_hpo.trial import State, Trial

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
            if wish.key not in self._seen:
                self._seen.add(wish.key)
                self._say(self._done(wish))
        for wish in [wish for wish in self._open if wish.what != ADD or self._is_tried(wish)]:
            fulfilled(self._run.connection, self._run.run_id, wish)  # not before: a driver may be killed
            self._open.remove(wish)

    def _is_tried(self, wish: Wish) -> bool:
        return any(same(wish.config, trial.config) for trial in self._ledger.known)

    def _done(self, wish: Wish) -> str:
        """Does it; returns what came of it, in words."""
        self._open.append(wish)
        if wish.what == ADD and wish.config is not None:
            if self._is_tried(wish):
                return "a trial that somebody added was tried already"
            if fault := self._space.fault(wish.config) if self._space.parameters else "":
                fulfilled(self._run.connection, self._run.run_id, self._open.pop())
                return f"a trial that somebody added is left out: {fault}"
            self._proposer.added.append(wish.config)
            return "somebody added a trial: it is the next that begins"
        trial = self._ledger.trials.get(wish.trial)
        if wish.what not in (STOP, FAIL) or trial is None:
            return f"what somebody asked for by hand is not known here: {wish.what or wish.key!r}"
        if trial.is_over:
            return f"trial {trial.number} was to be {_ended(wish)} by hand, and is over already"
        self._units.cut_one(trial.number)
        self._end(self._ledger.trials[trial.number], wish)
        return f"trial {trial.number} was {_ended(wish)} by hand{f': {wish.reason}' if wish.reason else ''}"

    def _end(self, trial: Trial, wish: Wish) -> None:
        """Ends a trial for good: with the results that it has, or without any as one that failed."""
        is_failed = wish.what == FAIL or not trial.losses
        where = f" at epoch {trial.epochs} of {self._ledger.max_epochs}" if trial.losses else ""
        reason = f"{_ended(wish)} {BY_HAND}{where}" + (f": {wish.reason}" if wish.reason else "")
        state = State.FAILED if is_failed else State.FINISHED
        self._ledger.end(replace(trial, ended_itself=not is_failed), state, reason)


def _ended(wish: Wish) -> str:
    return "stopped" if wish.what == STOP else "taken for failed"
