"""Decides what each trial counts as: at which epochs trials are compared, and where the others rank."""

from collections import Counter
from collections.abc import Sequence

from mlflow_hpo.trial import State, Trial

RESTING = (State.PAUSED, State.STOPPED, State.FINISHED)
ENOUGH = 10  # trials that a rung needs before a model is fitted on it

Counts = dict[int, tuple[float, bool]]  # trial -> the loss it counts as, and whether that is only a rank


def observed_at(trials: Sequence[Trial]) -> int | None:
    """Returns the epochs whose losses a model is fitted on: the highest rung with enough trials.

    Losses of different rungs are never mixed (Falkner et al. 2018, BOHB). While no rung has enough trials,
    it is the one with the most, and the higher of two.
    """
    rungs = Counter(epochs for t in trials if t.state is not State.FAILED for epochs in t.losses)
    if not rungs:
        return None
    full = [epochs for epochs, count in rungs.items() if count >= ENOUGH]
    return max(full) if full else max(rungs, key=lambda epochs: (rungs[epochs], epochs))


def standing(trials: Sequence[Trial]) -> dict[int, float]:
    """Returns the loss that each trial counts as for an algorithm, by number, without failed trials."""
    sound = sorted((t for t in trials if t.state is not State.FAILED), key=lambda t: t.number)
    return {number: loss for number, (loss, _) in counts_at(observed_at(sound), sound).items()}


def counts_at(rung: int | None, trials: Sequence[Trial]) -> Counts:
    """Returns each ended trial's loss at the rung, or a loss that is worse than all there.

    Trials that stopped below the rung rank after it: the lower they stopped the worse, then by loss; failed
    ones come last. If they counted for nothing, an algorithm would propose the same bad region over and over,
    because what is stopped early never reaches the rung. A trial that passed the rung without a loss there
    is left out.
    """
    sound = [t for t in trials if t.state is not State.FAILED]
    reached = {t.number: t.losses[rung] for t in sound if rung in t.losses} if rung else {}
    below = (t for t in sound if t.number not in reached and (rung is None or t.epochs < rung))
    ended = (t for t in below if t.state in RESTING and not _ended_elsewhere(t))
    ranked = sorted(ended, key=lambda t: (-t.epochs, t.loss, t.number))
    worst, best = max(reached.values(), default=0.0), min(reached.values(), default=0.0)
    step = max(worst - best, 1e-9 * max(abs(worst), 1.0)) / max(len(ranked), 1)
    counts = {number: (loss, False) for number, loss in reached.items()}
    counts |= {t.number: (worst + (place + 1) * step, True) for place, t in enumerate(ranked)}
    last = worst + (len(ranked) + 1) * step
    return counts | {t.number: (last, True) for t in trials if t.state is State.FAILED}


def _ended_elsewhere(trial: Trial) -> bool:
    """Returns whether it trained all epochs of an earlier study: then it says nothing below a rung."""
    return trial.number < 0 and trial.state is not State.STOPPED
