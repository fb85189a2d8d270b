"""Chooses the models and checkpoints that need not be kept: a pure function of the trials."""

from collections.abc import Sequence

from mlflow_hpo.metric import rank
from mlflow_hpo.trial import Dropped, State, Trial


def to_drop(
    trials: Sequence[Trial],
    keep: int,
    ended: bool = False,
    copies: bool = False,
    ranked: Sequence[Trial] | None = None,
) -> dict[int, Dropped]:
    """Returns what of each trial may be deleted, by its number.

    A trial may be deleted once `keep` trials beat it that can change no more. Trials that may still train do
    not count: one may come out worse than it was, or fail, and then a trial behind it is the best. So the
    best trial so far always has its model. The checkpoint of a trial that may go on, or that a copy may
    begin from, is kept.

    Args:
        keep: how many trials keep their models.
        ended: the study is over, so that no trial goes on.
        copies: other trials may yet begin from any checkpoint.
        ranked: those with results, best first; None: as `rank` orders them.
    """
    beaten = _beaten(rank(trials) if ranked is None else ranked, keep, ended)
    drop = {}
    for trial in trials:
        failed = trial.state is State.FAILED
        if trial.state in (State.RUNNING, State.KILLED) or not (failed or trial.number in beaten):
            continue
        gone = not copies and (failed or _is_final(trial, ended))
        what = Dropped.ALL if gone else Dropped.MODELS
        if trial.dropped not in (what, Dropped.ALL):
            drop[trial.number] = what
    return drop


def _beaten(ranked: Sequence[Trial], keep: int, ended: bool) -> set[int]:
    """Returns the numbers of the trials behind the first `keep` that can change no more."""
    final = [place for place, trial in enumerate(ranked) if _is_final(trial, ended)]
    return {t.number for t in ranked[final[keep - 1] + 1 :]} if len(final) >= keep else set()


def _is_final(trial: Trial, ended: bool) -> bool:
    return trial.state is State.FINISHED or (ended and trial.state is State.STOPPED)
