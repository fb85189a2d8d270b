"""The best trials of a study, trained again with other seeds: which of them was only lucky."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from statistics import fmean

from mlflow_hpo.errors import HpoError, StudyError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.metric import rank
from mlflow_hpo.registry.extra_runs import ended_at_last
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import keys
from mlflow_hpo.trial import Result, State, Trial, Unit, derived_seed
from mlflow_hpo.worker.dispatch import Dispatcher

Say = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """One of the best trials.

    Attributes:
        again: the same, as it came out with another seed; None where that was not done, or failed.
    """

    trial: Trial
    again: Trial | None = None

    @property
    def losses(self) -> tuple[float, ...]:
        """Over its seeds."""
        both = (self.trial.loss, self.again.loss if self.again else None)
        return tuple(loss for loss in both if loss is not None)

    @property
    def loss(self) -> float:
        """The mean over its seeds."""
        return fmean(self.losses)

    @property
    def model(self) -> Trial:
        """The better one of its seeds by validation; where only one has a model still, that."""
        return min(self._models, key=lambda t: (t.loss is None, t.loss))

    @property
    def has_model(self) -> bool:
        """Whether one of its seeds has a model still."""
        return bool(self._models)

    @property
    def _models(self) -> list[Trial]:
        return [t for t in (self.trial, self.again) if t is not None and t.model_uri]

    def shown(self, info: StudyInfo) -> str:
        """In words: its metric for each seed."""
        values = ", ".join(f"{info.metric.value(loss):.4f}" for loss in self.losses)
        return f"trial {self.trial.number} {values}"


def top(info: StudyInfo, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the best `top_k` trials, best first."""
    return rank(trials)[: info.settings.top_k]


def is_retrained(info: StudyInfo) -> bool:
    """Whether luck is to be told by training again.

    Not where each trial was trained several times, and not of a project, which is given no seed.
    """
    return (
        info.settings.project is None
        and info.settings.top_k > 1
        and info.settings.folds == info.settings.repeats == 1
    )


def candidates(dispatcher: Dispatcher, trials: Sequence[Trial], trains: bool, say: Say) -> list[Candidate]:
    """The best trials, by the mean of their metric over their seeds.

    What an earlier call trained again is not trained once more, unless it is the best and its models were
    not kept. One whose second training fails is evaluation by its first.

    Args:
        trains: the workers train, all at once; else nothing is trained, and what is known is given.

    Returns:
        The first has a model; others may have none any more.

    Raises:
        StudyError: none of them has a model.
    """
    run, info = dispatcher.run, dispatcher.info
    best = top(info, trials)
    several = is_retrained(info) and len(best) > 1
    wanted = best if several else [t for t in best[:1] if not t.model_uri]  # its model was not kept
    if wanted and trains:
        run.extra_runs.end_abandoned()
    known = run.extra_runs.retrained() if wanted else {}
    missing = [t for t in wanted if t.number not in known]
    if missing and trains:
        say(f"training trials {_numbers(missing)} again with other seeds")
        known |= _retrained(dispatcher, missing, say)
    found = sorted((Candidate(t, known.get(t.number)) for t in best), key=lambda c: (c.loss, c.trial.number))
    while found and not found[0].has_model:
        found[:1] = _revived(dispatcher, found[0], trains, say)
    if not found:
        raise StudyError(f"the models of trials {_numbers(best)} were not kept, and none was trained again")
    return found


def _revived(dispatcher: Dispatcher, lost: Candidate, trains: bool, say: Say) -> list[Candidate]:
    """A candidate with its model again, where it had one before an earlier call deleted it; or nothing."""
    if not trains or lost.again is None or not lost.again.dropped:
        return []
    say(f"training trial {lost.trial.number} again: its models were not kept")
    return [Candidate(lost.trial, t) for t in _retrained(dispatcher, [lost.trial], say).values()]


def _numbers(trials: Sequence[Trial]) -> str:
    return ", ".join(str(t.number) for t in trials)


def fresh_seed(info: StudyInfo, number: int) -> int:
    """Returns another seed than the trial's own: derived, like that."""
    return derived_seed(info.settings.seed, number, 1)


def _retrained(dispatcher: Dispatcher, trials: Sequence[Trial], say: Say) -> Mapping[int, Trial]:
    running, done = set[str](), {}
    with ended_at_last(dispatcher.run, running):
        begun = [_begin(dispatcher, trial, running) for trial in trials]
        for trial, work in begun:
            again = _ended(dispatcher, trial, work, say)
            running.remove(trial.run_id)
            if again:
                done[trial.number] = again
    return done


def _begin(dispatcher: Dispatcher, trial: Trial, running: set[str]) -> tuple[Trial, "Future[Result]"]:
    """Returns the trial as it is trained again, and the work under way."""
    seed = fresh_seed(dispatcher.info, trial.number)
    config = {**trial.config, "seed": seed} if "seed" in trial.config else trial.config
    again = replace(trial, config=config, results={}, model_uri="", reason="")
    run_id = dispatcher.run.extra_runs.create(again, seed, keys.RETRAINED, f"again-{trial.number:04d}")
    running.add(run_id)
    limit = dispatcher.info.settings.trial_timeout
    work = dispatcher.submit_extra(run_id, Unit(trial.number, 0, trial.epochs), config, seed, timeout_s=limit)
    return replace(again, run_id=run_id), work


def _ended(dispatcher: Dispatcher, trial: Trial, work: "Future[Result]", say: Say) -> Trial | None:
    try:
        result: Result = answered(work, f"trial {trial.number} was trained again")
    except (HpoError, TimeoutError) as error:
        limit = dispatcher.info.settings.trial_timeout
        reason = str(error) or f"took longer than the trial_timeout of {limit:g} s"
        dispatcher.run.trials.end(trial, State.FAILED, reason)
        say(f"trial {trial.number} could not be trained again: {reason}")
        return None
    return dispatcher.run.trials.record(trial, replace(result, state=State.FINISHED))
