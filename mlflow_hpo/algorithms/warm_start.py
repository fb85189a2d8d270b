"""Lets the trials of an earlier study inform an algorithm."""

from collections.abc import Container, Iterable, Sequence
from dataclasses import replace

from mlflow_hpo.algorithms.counts import observed_at
from mlflow_hpo.space import Space
from mlflow_hpo.trial import State, Trial, epochs_text


def warm_trials(
    trials: Sequence[Trial],
    space: Space,
    max_epochs: int,
    rungs: Iterable[int] = (),
    only: Container[int] | None = None,
) -> tuple[list[Trial], list[str]]:
    """Returns the trials of an earlier study that can inform an algorithm here, and why others cannot.

    Args:
        rungs: where either study compares trials: one that ended by itself has its last loss there, too.
        only: the epochs at which trials can be compared here; None: any.

    Returns:
        Those trials, numbered up to -1 in their order, and a note for each other trial.
    """
    kept, notes = list[Trial](), list[str]()
    shared, end = [rung for rung in rungs if rung <= max_epochs], max((t.number for t in trials), default=0)
    for trial in trials:
        losses = trial.extended_to(shared).losses
        losses = {e: losses[e] for e in losses if e <= max_epochs and (only is None or e in only)}
        useless = "it failed" if trial.state is State.FAILED else "" if losses else _no_loss(max_epochs, only)
        outside = space.fault(trial.config) if space.parameters else ""  # empty: the objective asks
        if fault := outside or useless:
            notes.append(f"trial {trial.number}: {fault}")
        else:
            state = State.STOPPED if trial.state is State.STOPPED else State.FINISHED
            results = {next(iter(trial.results)): losses}
            number = trial.number - end - 1
            kept.append(replace(trial, results=results, state=state, number=number, violations={}))
    return kept, notes


def _no_loss(max_epochs: int, only: Container[int] | None) -> str:
    return f"it has no loss at {epochs_text(max_epochs)}" + (
        " or before" if only is None else ", nor at a rung"
    )


def watched(earlier: Sequence[Trial], rungs: Sequence[int]) -> tuple[int, ...]:
    """Returns the epochs, besides the rungs, at which trials are compared with those of an earlier study."""
    epochs = observed_at(earlier)
    return () if epochs is None or epochs in rungs else (epochs,)
