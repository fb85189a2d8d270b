"""Trains a trial again from what its run records, and says how far that agrees."""

from dataclasses import dataclass, replace
from math import inf, isfinite

from mlflow_hpo.errors import StudyError
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.registry.beside import trained
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, keys, record_of, tag_context
from mlflow_hpo.trial import Dropped, State, Trial, Unit
from mlflow_hpo.worker.dispatch import make_task, seed_of
from mlflow_hpo.worker.train import Assignment


@dataclass(frozen=True)
class Replay:
    """A trial beside its repetition.

    Attributes:
        run_id: the run of the repetition.
        gap: the largest difference of the study's metric, over all epochs.
        epoch: where that is.
        epochs: how many were compared.
        differences: what the two runs record differently, in words.
    """

    run_id: str
    gap: float
    epoch: int
    epochs: int
    differences: list[str]


def replay(run: StudyRun, settings: Settings, trial: Trial, executor: Executor) -> Replay:
    """Train a trial again with its config and seed, in a run of its own beside the trials.

    A copy (pbt) begins from the checkpoint that it began from.

    Raises:
        StudyError: it has no result, the checkpoint is gone, or the training failed.
    """
    if trial.loss is None or trial.state is State.FAILED:
        raise StudyError(f"trial {trial.number} has no result to compare with: it is {trial.state}")
    run_id = _trained(run, settings, trial, executor)
    connection = run.connection
    then, now = (record_of(connection, r, settings.metric) for r in (trial.run_id, run_id))
    shared = sorted(e for e in then.curve.keys() & now.curve.keys() if e > trial.start or not trial.start)
    if not shared:
        raise StudyError(f"trial {trial.number} has no {settings.metric} recorded by epochs")
    gaps = {e: _gap(then.curve[e], now.curve[e]) for e in shared}
    worst = max(gaps, key=lambda e: (gaps[e], -e))
    return Replay(run_id, gaps[worst], worst, len(shared), then.differences(now))


def _gap(one: float, other: float) -> float:
    return abs(one - other) if isfinite(one) and isfinite(other) else inf * (one != other)


def _trained(run: StudyRun, settings: Settings, trial: Trial, executor: Executor) -> str:
    seed = trial.config.get("seed", seed_of(settings, trial.number))
    source = _source(run, trial)
    constants: dict[str, str] | None = (
        {} if settings.project else None
    )  # a project may have a `seed` of its own
    name = f"replay-{trial.number:04d}"
    run_id = run.trials.create_beside(trial, seed, keys.REPLAYED, name, constants)
    tag_context(run.connection, run_id)
    task = replace(make_task(settings, run), target=None)
    unit = Unit(trial.number, trial.start, trial.epochs, trial.source)
    assignment = Assignment(task, unit, run_id, trial.config, seed, source)
    result = trained(run, assignment, executor, f"trial {trial.number} could not be trained again")
    losses = {epochs: settings.loss(value) for epochs, value in result.values.items()}
    done = run.trials.record(replace(trial, run_id=run_id, losses={}), result, losses, State.FINISHED)
    if settings.kept_models is not None:  # its curve is all that is wanted
        run.trials.drop(done, Dropped.ALL)
    return run_id


def _source(run: StudyRun, trial: Trial) -> str | None:
    """The run whose checkpoint a copy began from; None for a trial that began afresh."""
    if trial.source is None:
        return None
    source = next(t for t in run.trials.load() if t.number == trial.source)
    if source.dropped is Dropped.ALL:
        raise StudyError(
            f"trial {trial.number} began from a checkpoint of trial {source.number}, which was not kept"
        )
    return source.run_id


def said(found: Replay, trial: Trial, metric: str, tolerance: float) -> list[str]:
    """The replay in words, line by line.

    Raises:
        StudyError: the metric differs by more than the tolerance.
    """
    lines = [f"trained trial {trial.number} again, in run {found.run_id}"]
    lines += [f"differs from the record: {words}" for words in found.differences]
    reasons = "; ".join(found.differences) or (
        "nothing that is recorded differs: code that is in no commit may, and threads or a GPU may add "
        "numbers in another order"
    )
    if found.gap > tolerance:
        raise StudyError(
            f"trial {trial.number} does not come out as recorded: {metric} differs by {found.gap:.4g} "
            f"at epoch {found.epoch}, more than the tolerance of {tolerance:g}; {reasons}"
        )
    exact = "exactly" if found.gap == 0 else f"within {found.gap:.2g} (tolerance {tolerance:g})"
    return [*lines, f"{metric} agrees {exact}, over {found.epochs} epochs"]
