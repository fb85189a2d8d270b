"""A study under way whose trials somebody else trains: it is asked for configs, and told results."""

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from math import isfinite
from time import monotonic
from typing import Any, Self

from rich.console import Console
from typing_extensions import override

from mlflow_hpo.errors import ConfigError, RunDeletedError, StudyError
from mlflow_hpo.metric import number
from mlflow_hpo.store import StudyRun, quick
from mlflow_hpo.store.models import ready_models
from mlflow_hpo.study.found import StudyResults
from mlflow_hpo.study.ledger import Ledger, Observer
from mlflow_hpo.study.proposer import Proposer
from mlflow_hpo.study.registering import log_page
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.study.stopping import StopRules
from mlflow_hpo.trial import Config, Result, State, Trial, derived_seed


@dataclass(frozen=True)
class OpenTrial:
    """A config to try, and the MLflow run that is its trial's.

    Attributes:
        seed: for whoever wants one.
        began: `monotonic()` when it was asked for.
    """

    number: int
    config: Config
    run_id: str
    seed: int
    began: float = field(default_factory=monotonic)


class _Silent(Observer):
    """Follows a study and tells only what goes wrong."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say

    @override
    def began(self, study: Any) -> None:
        pass

    @override
    def changed(self, trial: Trial) -> None:
        pass

    @override
    def tick(self) -> None:
        pass

    @override
    def say(self, line: str) -> None:
        self._say(line)


class OpenStudy(StudyResults):
    """A study that asks for nothing but to be asked and told; threads may share it."""

    def __init__(
        self, run: StudyRun, planned: StudyPlan, say: Callable[[str], None], stack: ExitStack
    ) -> None:
        """Made by `open_study`; the stack is closed with the study."""
        super().__init__(run, planned.info, planned.spec)
        self._plan, self._say, self._stack, self._lock = planned, say, stack, threading.RLock()
        self._ledger, self._proposer = Ledger(run, planned, _Silent(say)), Proposer(planned)
        self._rules = StopRules(planned.info)
        self._open: dict[int, OpenTrial] = {}
        self._ledger.adopt()

    @property
    @override
    def trials(self) -> list[Trial]:
        """Every trial, by number."""
        return self._ledger.known

    def ask(self) -> OpenTrial | None:
        """Returns a config to try; None if nothing is left to propose, or the study is to end.

        That is when there are `max_trials`, or by its timeout, target or patience.

        A trial that was asked for and never told of, by an earlier process, is given again first.
        """
        with self._lock:
            trial = self._given_again() or (None if self._is_to_end else self._new())
            if trial is None:
                return None
            self._ledger.changed(trial)
            opened = OpenTrial(trial.number, trial.config, trial.run_id, self._seed(trial.number))
            self._open[trial.number] = opened
            return opened

    def tell(self, trial: OpenTrial, result: Any = None, *, failed: str = "") -> None:
        """Ends a trial.

        Args:
            result: the metric's value; or a dict of metrics, those of the study among them.
            failed: why there is none.

        Raises:
            ConfigError: the result is no number, or lacks a metric.
            StudyError: the trial was not asked for, or is over.
        """
        with self._lock:
            if self._open.get(trial.number) is not trial:
                raise StudyError(
                    f"trial {trial.number} is not open: tell of each trial once, as `ask` gave it"
                )
            values = {} if failed else self._values(result)
            wrong = next(
                (f"{name} became {value}" for name, value in values.items() if not isfinite(value)), ""
            )
            if failed or wrong:
                self._ledger.end(self._ledger.trials[trial.number], State.FAILED, failed or wrong)
            else:
                self._record(trial, values)
            del self._open[trial.number]

    def close(self) -> None:
        """Ends the study; trials that were never told of are given again by a resume.

        Raises:
            StudyError: no trial has a result.
        """
        with self._lock, self._stack:
            for number in [*self._open]:
                self._ledger.end(self._ledger.trials[number], State.KILLED, "it was never told of")
            self._open.clear()
            try:
                self._ledger.finish("")
            except StudyError as error:
                self._run.end(State.FAILED, str(error))
                raise
            log_page(self._run, Console(quiet=True))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: BaseException | None, traceback: Any) -> None:
        if error is None:
            self.close()
            return
        with self._lock, self._stack, suppress(Exception), quick():
            state = State.FAILED if isinstance(error, Exception) else State.KILLED
            for number in self._open:
                self._ledger.end(self._ledger.trials[number], State.KILLED, "its loop ended")
            self._run.end(state, str(error) or type(error).__name__)

    @property
    def _is_to_end(self) -> bool:
        rules, ledger = self._rules, self._ledger
        return bool(rules.reason(ledger.losses)) or rules.is_out_of_patience(ledger.seen)

    def _seed(self, number: int) -> int:
        return derived_seed(self._info.settings.seed, number)

    def _given_again(self) -> Trial | None:
        for cut in [trial for trial in self._ledger.known if trial.state is State.KILLED]:
            try:
                return self._run.trials.restart(cut, self._seed(cut.number))
            except RunDeletedError:
                self._ledger.give_up(cut)
        return None

    def _new(self) -> Trial | None:
        trials, ledger = self._run.trials, self._ledger
        if len(ledger.trials) >= self._info.max_trials:
            return None
        number = next(free for free in count() if free not in ledger.trials)
        config = self._proposer.config(number, None, ledger.trials, ledger.seen)
        return None if config is None else trials.create(number, config, self._seed(number))

    def _values(self, result: Any) -> dict[str, float]:
        given = result if isinstance(result, Mapping) else {self._info.metric.name: result}
        values = {str(name): number(value, flags=True) for name, value in given.items()}
        wanted = [metric.name for metric in self._info.metrics] + [
            c.metric.name for c in self._info.constraints
        ]
        for name in [*values, *wanted]:
            if values.get(name) is None:
                what = f"is {given[name]!r:.100}, no number" if name in given else "is missing"
                raise ConfigError(f"tell: metric {name!r} {what}: the study is told {', '.join(wanted)}")
        return {name: value for name, value in values.items() if value is not None}

    def _record(self, trial: OpenTrial, values: Mapping[str, float]) -> None:
        run = self._run
        try:
            with run.connection.writing(trial.run_id):
                run.connection.write(trial.run_id, metrics=dict(values), step=1)
                models = [*ready_models(run.connection, run.experiment_id, trial.run_id)]
        except RunDeletedError:
            self._ledger.give_up(self._ledger.trials[trial.number])
            return
        result = Result(
            values={name: {1: value} for name, value in values.items()},
            state=State.FINISHED,
            seconds=monotonic() - trial.began,
            cpu_seconds=0.0,
            peak_memory_bytes=0,
            model_uri=models[-1] if models else "",
        )
        self._ledger.record([(replace(self._ledger.trials[trial.number], state=State.RUNNING), result)])
        self._ledger.best.write(at_once=True)
