"""Which models and checkpoints of a study need not be kept: a pure function of its trials."""

from collections.abc import Iterable

from mlflow_hpo.trial import Dropped, State, Trial


def to_drop(
    trials: Iterable[Trial], keep: int, epochs: int, ended: bool = False, copies: bool = False
) -> dict[int, Dropped]:
    """What of each trial may be deleted.

    A trial has dropped out of the best `keep` when so many *settled* trials are better: those whose loss can
    change no more. A promoted trial may come out worse than it was, or fail, and then one that was
    behind it is the best; so it is not counted before it is settled, and the best so far always has its
    model. The checkpoint of a trial that may go on, or that a copy may begin from, is kept.

    Args:
        keep: how many trials keep their models.
        epochs: of a fully trained trial.
        ended: whether the study is over, so that every trial is settled.
        copies: whether others may yet begin from checkpoints, of whichever trials.

    Returns:
        By number; trials of which nothing is to be deleted are not there.
    """
    known = list(trials)
    settled = sorted((t.loss, t.number) for t in known if t.loss is not None and _settled(t, epochs, ended))
    bar = settled[keep - 1] if len(settled) >= keep else None
    found = {}
    for trial in known:
        if trial.state in (State.RUNNING, State.KILLED) or not _out(trial, bar):
            continue
        gone = not copies and (trial.state is State.FAILED or _settled(trial, epochs, ended))
        what = Dropped.ALL if gone else Dropped.MODELS
        if trial.dropped not in (what, Dropped.ALL):
            found[trial.number] = what
    return found


def _settled(trial: Trial, epochs: int, ended: bool) -> bool:
    """Whether it will not be trained on."""
    return trial.state is State.FINISHED and (ended or trial.complete or trial.epochs >= epochs)


def _out(trial: Trial, bar: tuple[float, int] | None) -> bool:
    if trial.state is State.FAILED:
        return True
    return bar is not None and trial.loss is not None and (trial.loss, trial.number) > bar
