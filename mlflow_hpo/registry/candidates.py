"""Trains a study's best trials again with other seeds, to tell which of them was only lucky."""

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from statistics import fmean

from mlflow_hpo.errors import HpoError, Interrupted, StudyError
from mlflow_hpo.execution.executor import answered
from mlflow_hpo.metric import rank
from mlflow_hpo.registry.extra_runs import ended_at_last
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import winner
from mlflow_hpo.store import keys
from mlflow_hpo.trial import Result, State, Trial, Unit, derived_seed
from mlflow_hpo.worker.dispatch import Dispatcher

Say = Callable[[str], None]


@dataclass(frozen=True)
class Candidate:
    """One of the best trials, and the same trained again.

    Attributes:
        retrained: the trial as it came out with another seed; None if it was not trained again, or failed.
    """

    trial: Trial
    retrained: Trial | None = None

    @property
    def losses(self) -> tuple[float, ...]:
        """The loss of each seed."""
        trainings = (self.trial, self.retrained)
        return tuple(t.loss for t in trainings if t is not None and t.loss is not None)

    @property
    def loss(self) -> float:
        """The mean loss of the seeds."""
        return fmean(self.losses)

    @property
    def model(self) -> Trial | None:
        """The training with the better loss, of those whose model was kept; None if none was."""
        kept = [t for t in (self.trial, self.retrained) if t is not None and t.model_uri]
        return min(kept, key=lambda t: (t.loss is None, t.loss), default=None)

    def text(self, info: StudyInfo) -> str:
        """Returns the metric of each seed in words."""
        values = ", ".join(f"{info.metric.value(loss):.4f}" for loss in self.losses)
        return f"trial {self.trial.number} {values}"


def top(info: StudyInfo, trials: Sequence[Trial]) -> list[Trial]:
    """Returns the best `top_k` trials, best first; of several metrics' the one that is preferred."""
    if len(info.metrics) > 1:
        best = winner(info, trials)
        return [best] if best else []
    return [t for t in rank(trials) if not t.violation()][: info.settings.top_k]


def trains_again(info: StudyInfo) -> bool:
    """Tells whether a study's best trials are trained again.

    They are not if each trial was trained several times, or is judged by several metrics, nor those of a
    project, which is given no seed.
    """
    return (
        info.settings.project is None
        and info.settings.top_k > 1
        and len(info.metrics) == 1
        and info.settings.folds == info.settings.repeats == 1
    )


def candidates(dispatcher: Dispatcher, trials: Sequence[Trial], trains: bool, say: Say) -> list[Candidate]:
    """Returns the best trials, ordered by the mean of their metric over their seeds.

    A trial that an earlier call trained again is not trained once more, unless it is the best and its models
    were not kept. A trial whose second training fails counts with its first.

    Args:
        trains: train what is missing, on all workers at once; if not, only earlier calls count.

    Returns:
        The first has a model; the models of others may be gone.

    Raises:
        StudyError: none of them has a model.
    """
    best = top(dispatcher.info, trials)
    several = trains_again(dispatcher.info) and len(best) > 1
    wanted = best if several else [t for t in best[:1] if not t.model_uri]  # its model was not kept
    retrained = _all_retrained(dispatcher, wanted, trains, say) if wanted else {}
    ranked = [Candidate(t, retrained.get(t.number)) for t in best]
    ranked.sort(key=lambda c: (c.loss, c.trial.number))
    while ranked and ranked[0].model is None:
        ranked[:1] = _revived(dispatcher, ranked[0], trains, say)
    if not ranked:
        raise StudyError(f"the models of trials {_numbers(best)} were not kept, and none was trained again")
    return ranked


def _all_retrained(
    dispatcher: Dispatcher, wanted: Sequence[Trial], trains: bool, say: Say
) -> dict[int, Trial]:
    """Returns trials as they came out with another seed, by number; trains those that are missing."""
    extra_runs = dispatcher.run.extra_runs
    retrained = extra_runs.retrained()
    missing = [t for t in wanted if t.number not in retrained]
    if missing and trains:
        say(f"training trials {_numbers(missing)} again with other seeds")
        retrained |= _retrain(dispatcher, missing, say)
    return retrained


def _revived(dispatcher: Dispatcher, lost: Candidate, trains: bool, say: Say) -> list[Candidate]:
    """Trains a candidate again whose models an earlier call deleted; returns nothing if that cannot be."""
    if not trains or lost.retrained is None or not lost.retrained.dropped:
        return []
    say(f"training trial {lost.trial.number} again: its models were not kept")
    return [Candidate(lost.trial, t) for t in _retrain(dispatcher, [lost.trial], say).values()]


def _numbers(trials: Sequence[Trial]) -> str:
    return ", ".join(str(t.number) for t in trials)


def _retrain(dispatcher: Dispatcher, trials: Sequence[Trial], say: Say) -> dict[int, Trial]:
    """Trains trials with another seed, all at once; returns those that ended well, by number."""
    running, retrained = set[str](), dict[int, Trial]()
    with ended_at_last(dispatcher.run, running):
        submitted = [_submit(dispatcher, trial, running) for trial in trials]
        for trial, work in submitted:
            ended = _ended(dispatcher, trial, work, say)
            running.remove(trial.run_id)
            if ended:
                retrained[trial.number] = ended
    return retrained


def _submit(dispatcher: Dispatcher, trial: Trial, running: set[str]) -> tuple[Trial, "Future[Result]"]:
    """Starts to train a trial with another seed; returns it with its new run, and the work."""
    seed = derived_seed(dispatcher.info.settings.seed, trial.number, 1)
    config = {**trial.config, "seed": seed} if "seed" in trial.config else trial.config
    again = replace(trial, config=config, results={}, model_uri="", reason="")
    run_id = dispatcher.run.extra_runs.create(again, seed, keys.RETRAINED, f"again-{trial.number:04d}")
    running.add(run_id)
    limit = dispatcher.info.settings.trial_timeout
    work = dispatcher.submit_extra(run_id, Unit(trial.number, 0, trial.epochs), config, seed, timeout_s=limit)
    return replace(again, run_id=run_id), work


def _ended(dispatcher: Dispatcher, trial: Trial, work: "Future[Result]", say: Say) -> Trial | None:
    """Waits for a training and records how it ended; returns None if it failed."""
    try:
        result: Result = answered(work, f"trial {trial.number} was trained again")
    except Interrupted:
        raise
    except (HpoError, TimeoutError) as error:
        limit = dispatcher.info.settings.trial_timeout
        reason = str(error) or f"took longer than the trial_timeout of {limit:g} s"
        dispatcher.run.trials.end(trial, State.FAILED, reason)
        say(f"trial {trial.number} could not be trained again: {reason}")
        return None
    return dispatcher.run.trials.record(trial, replace(result, state=State.FINISHED))
