"""The best trials of a study, trained again with other seeds: which of them was only lucky."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from statistics import fmean

import numpy as np

from mlflow_hpo.errors import HpoError, StudyError
from mlflow_hpo.execution.executor import Executor, answered
from mlflow_hpo.registry.beside import ended_at_last
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, keys
from mlflow_hpo.trial import Result, State, Trial, Unit
from mlflow_hpo.worker.dispatch import make_task
from mlflow_hpo.worker.train import Assignment, train

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

    def shown(self, settings: Settings) -> str:
        """In words: its metric for each seed."""
        values = ", ".join(f"{settings.value(loss):.4f}" for loss in self.losses)
        return f"trial {self.trial.number} {values}"


def top(settings: Settings, trials: Sequence[Trial]) -> list[Trial]:
    """The best `top_k` trials, best first."""
    scored = [t for t in trials if t.state is not State.FAILED and t.loss is not None]
    return sorted(scored, key=lambda t: (t.loss, t.number))[: settings.top_k]


def is_retrained(settings: Settings) -> bool:
    """Whether luck is to be told by training again.

    Not where each trial was trained several times, and not of a project, which is given no seed.
    """
    return settings.project is None and settings.top_k > 1 and settings.folds == settings.repeats == 1


def candidates(
    run: StudyRun, settings: Settings, trials: Sequence[Trial], executor: Executor | None, say: Say
) -> list[Candidate]:
    """The best trials, by the mean of their metric over their seeds.

    What an earlier call trained again is not trained once more, unless it is the best and its models were
    not kept. One whose second training fails is evaluation by its first.

    Args:
        executor: its workers train, all at once; None: nothing is trained, what is known is given.

    Returns:
        The first has a model; others may have none any more.

    Raises:
        StudyError: none of them has a model.
    """
    best = top(settings, trials)
    several = is_retrained(settings) and len(best) > 1
    wanted = best if several else [t for t in best[:1] if not t.model_uri]  # its model was not kept
    if wanted and executor is not None:
        run.trials.end_retraining()
    known = run.trials.retrained() if wanted else {}
    missing = [t for t in wanted if t.number not in known]
    if missing and executor is not None:
        say(f"training trials {_numbers(missing)} again with other seeds")
        known |= _retrained(run, settings, missing, executor, say)
    found = sorted((Candidate(t, known.get(t.number)) for t in best), key=lambda c: (c.loss, c.trial.number))
    while found and not found[0].has_model:
        found[:1] = _revived(run, settings, found[0], executor, say)
    if not found:
        raise StudyError(f"the models of trials {_numbers(best)} were not kept, and none was trained again")
    return found


def _revived(
    run: StudyRun, settings: Settings, lost: Candidate, executor: Executor | None, say: Say
) -> list[Candidate]:
    """A candidate with its model again, where it had one before an earlier call deleted it; or nothing."""
    if executor is None or lost.again is None or not lost.again.dropped:
        return []
    say(f"training trial {lost.trial.number} again: its models were not kept")
    return [Candidate(lost.trial, t) for t in _retrained(run, settings, [lost.trial], executor, say).values()]


def _numbers(trials: Sequence[Trial]) -> str:
    return ", ".join(str(t.number) for t in trials)


def fresh_seed(settings: Settings, number: int) -> int:
    """Another seed than the trial's own: derived, like that."""
    return int(np.random.SeedSequence([settings.seed, number, 1]).generate_state(1)[0]) % 2**31


def _retrained(
    run: StudyRun, settings: Settings, trials: Sequence[Trial], executor: Executor, say: Say
) -> Mapping[int, Trial]:
    running, found = set[str](), {}
    with ended_at_last(run, running):
        begun = [_begin(run, settings, trial, executor, running) for trial in trials]
        for trial, work in begun:
            done = _ended(run, settings, trial, work, say)
            running.remove(trial.run_id)
            if done:
                found[trial.number] = done
    return found


def _begin(
    run: StudyRun, settings: Settings, trial: Trial, executor: Executor, running: set[str]
) -> tuple[Trial, "Future[Result]"]:
    """The trial as it is trained again, and the work under way."""
    seed = fresh_seed(settings, trial.number)
    config = {**trial.config, "seed": seed} if "seed" in trial.config else trial.config
    again = replace(trial, config=config, losses={}, model_uri="", reason="")
    run_id = run.trials.create_beside(again, seed, keys.RETRAINED, f"again-{trial.number:04d}")
    running.add(run_id)
    task = replace(make_task(settings, run), target=None)
    unit = Unit(trial.number, 0, trial.epochs)
    work = executor.submit(
        train, Assignment(task, unit, run_id, config, seed), timeout_s=settings.trial_timeout
    )
    return replace(again, run_id=run_id), work


def _ended(run: StudyRun, settings: Settings, trial: Trial, work: "Future[Result]", say: Say) -> Trial | None:
    try:
        result: Result = answered(work, f"trial {trial.number} was trained again")
    except (HpoError, TimeoutError) as error:
        reason = str(error) or f"took longer than the trial_timeout of {settings.trial_timeout:g} s"
        run.trials.end(trial, State.FAILED, reason)
        say(f"trial {trial.number} could not be trained again: {reason}")
        return None
    losses = {epochs: settings.loss(value) for epochs, value in result.values.items()}
    return run.trials.record(trial, result, losses, State.FINISHED)
