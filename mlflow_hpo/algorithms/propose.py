"""`propose`: the next config, as a pure function of all trials."""

from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mlflow_hpo.algorithms.base import Algorithm, at_random
from mlflow_hpo.space import Space, same
from mlflow_hpo.trial import State, Trial, derived_seed

ATTEMPTS = 10  # draws before a config that was proposed already is taken again
RESTING = (State.PAUSED, State.STOPPED, State.FINISHED)
ENOUGH = 10  # trials that a rung needs before a model is fitted on it


def propose(
    algorithm: Algorithm, space: Space, trials: Iterable[Trial], number: int, seed: int
) -> dict[str, Any] | None:
    """The config for trial `number`: a pure function of its arguments.

    The trials may come in any order. A config that a trial has already, one that runs too, is drawn again
    with another derived seed, a few times, then at random: a small space may hold no other. Numbers below 0
    are trials of an earlier study.

    Returns:
        None where the algorithm has nothing left to propose.
    """
    from hyperopt import trials_from_docs

    known = sorted((t for t in trials if t.number < number), key=lambda t: t.number)
    counts = _counts(known, observed_at(known))
    known = [t for t in known if t.number >= 0 or t.number in counts]
    looked_at = _most(known, counts, algorithm.most)
    told = (t for t in looked_at if algorithm.counting or t.number in counts or t.state not in RESTING)
    documents = (_document(t, space, counts) for t in told)
    history = trials_from_docs([d for d in documents if d], validate=False)
    config: dict[str, Any] = {}
    for attempt in range(2 * ATTEMPTS):
        random_state = derived_seed(seed, number, attempt)
        if attempt < ATTEMPTS:
            answer = algorithm.suggest([number], space.domain, history, random_state)
            if not answer:
                return None
            vals = answer[0]["misc"]["vals"]
        else:
            vals = space.vals(at_random(space, np.random.default_rng(random_state)))
        config = space.decode(vals)
        if not any(same(config, t.config) for t in known):
            break
    return config


def warm_trials(
    trials: Sequence[Trial],
    space: Space,
    max_epochs: int,
    rungs: Iterable[int] = (),
    only: Container[int] | None = None,
) -> tuple[list[Trial], list[str]]:
    """The trials of an earlier study that can inform an algorithm here, and why each of the others cannot.

    Args:
        rungs: where either study compares trials: one that ended by itself has its last loss there, too.
        only: the epochs at which trials can be compared here; None: any.

    Returns:
        Those, numbered up to -1 in their order; and a note for each other.
    """
    kept, notes = list[Trial](), list[str]()
    shared, end = [rung for rung in rungs if rung <= max_epochs], max((t.number for t in trials), default=0)
    for trial in trials:
        known = trial.extended_to(shared).losses
        losses = {e: known[e] for e in known if e <= max_epochs and (only is None or e in only)}
        useless = "it failed" if trial.state is State.FAILED else "" if losses else _nowhere(max_epochs, only)
        if fault := space.fault(trial.config) or useless:
            notes.append(f"trial {trial.number}: {fault}")
        else:
            state = State.STOPPED if trial.state is State.STOPPED else State.FINISHED
            results = {next(iter(trial.results)): losses}
            kept.append(replace(trial, results=results, state=state, number=trial.number - end - 1))
    return kept, notes


def _nowhere(max_epochs: int, only: Container[int] | None) -> str:
    return f"it has no loss at {max_epochs} epochs" + (" or before" if only is None else ", nor at a rung")


def watched(earlier: Sequence[Trial], rungs: Sequence[int]) -> tuple[int, ...]:
    """The epochs, beside the rungs, at which a study's trials are compared with those of an earlier one."""
    at = observed_at(earlier)
    return () if at is None or at in rungs else (at,)


def observed_at(trials: Sequence[Trial]) -> int | None:
    """The epochs whose losses a model is fitted on: the highest rung with enough trials.

    Losses of different rungs are never mixed (Falkner et al. 2018, BOHB). While no rung has
    enough, it is the one with the most, the higher of two.
    """
    counts = Counter(epochs for t in trials if t.state is not State.FAILED for epochs in t.losses)
    if not counts:
        return None
    full = [epochs for epochs, count in counts.items() if count >= ENOUGH]
    return max(full) if full else max(counts, key=lambda epochs: (counts[epochs], epochs))


def standing(trials: Sequence[Trial]) -> dict[int, float]:
    """What each trial that ended counts as, by its number: less is better; those that failed are left out.

    As for an algorithm: its loss at the rung of `observed_at`; a trial that stopped below comes after those.
    """
    sound = sorted((t for t in trials if t.state is not State.FAILED), key=lambda t: t.number)
    return {number: count for number, (count, _) in _counts(sound, observed_at(sound)).items()}


Counts = dict[int, tuple[float, bool]]  # number -> what it counts as, and whether that is only a rank


def _counts(trials: Sequence[Trial], rung: int | None) -> Counts:
    """What each ended trial counts as: its loss at the rung, or one that is worse than all there.

    Those that stopped below the rung, or failed, are ranked after it and not mixed with it: the lower they
    stopped the worse, by loss where that is equal, the failed ones last. If they counted for nothing, an
    algorithm would propose the same bad region over and over: what is stopped early never gets to the rung.
    One that went past the rung without a loss there counts for nothing.
    """
    sound = [t for t in trials if t.state is not State.FAILED]
    at = {t.number: t.losses[rung] for t in sound if rung in t.losses} if rung else {}
    below = (t for t in sound if t.number not in at and (rung is None or t.epochs < rung))
    resting = (t for t in below if t.state in RESTING and not _elsewhere(t))
    under = sorted(resting, key=lambda t: (-t.epochs, t.loss, t.number))
    worst, best = max(at.values(), default=0.0), min(at.values(), default=0.0)
    step = max(worst - best, 1e-9 * max(abs(worst), 1.0)) / max(len(under), 1)
    counts = {number: (loss, False) for number, loss in at.items()}
    counts |= {t.number: (worst + (place + 1) * step, True) for place, t in enumerate(under)}
    last = worst + (len(under) + 1) * step
    return counts | {t.number: (last, True) for t in trials if t.state is State.FAILED}


def _elsewhere(trial: Trial) -> bool:
    """Whether it belongs to an earlier study, whose epochs it went through: below a rung it says nothing."""
    return trial.number < 0 and trial.state is not State.STOPPED


def _most(trials: Sequence[Trial], counts: Counts, most: int | None) -> Sequence[Trial]:
    """Those that run, and of the others at most so many: the best quarter, the rest spread evenly."""
    if most is None or len(counts) <= most:
        return trials
    ranked = sorted(counts, key=lambda number: (counts[number][0], number))
    best, rest = ranked[: most // 4], ranked[most // 4 :]
    spread = np.linspace(0, len(rest) - 1, most - len(best))
    kept = {*best, *(rest[int(i)] for i in spread)}
    return [t for t in trials if t.number in kept or t.number not in counts]


def _document(trial: Trial, space: Space, counts: Counts) -> dict[str, Any] | None:
    """Hyperopt's document of a trial; None where its config is outside the space (a baseline may be)."""
    vals = space.encode(trial.config)
    if vals is None:
        return None
    misc = {
        "tid": trial.number,
        "cmd": None,
        "workdir": None,
        "vals": vals,
        "idxs": {label: [trial.number] if drawn else [] for label, drawn in vals.items()},
    }
    known = {"tid": trial.number, "spec": None, "misc": misc, "exp_key": None, "owner": None, "version": 0}
    return known | {"book_time": None, "refresh_time": None} | _outcome(counts.get(trial.number))


def _outcome(count: tuple[float, bool] | None) -> dict[str, Any]:
    from hyperopt import base

    if count is None:
        return {"state": base.JOB_STATE_RUNNING, "result": {"status": base.STATUS_RUNNING}}
    return {
        "state": base.JOB_STATE_DONE,
        "result": {"status": base.STATUS_OK, "loss": count[0], "beaten": count[1]},
    }
