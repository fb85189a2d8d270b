"""Trains a trial again from what its run records, and says how far that agrees."""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf, isfinite

from mlflow_hpo.errors import StudyError
from mlflow_hpo.execution.signals import Signals
from mlflow_hpo.projects import variables
from mlflow_hpo.registry.extra_runs import result_of
from mlflow_hpo.report.study_info import info_of
from mlflow_hpo.store import Connection, StudyRun, find_trial, history, keys, store_errors
from mlflow_hpo.study.resumption import recorded_workers
from mlflow_hpo.study.source import Given
from mlflow_hpo.study.trust import check_trusted
from mlflow_hpo.study.workers import study_folder
from mlflow_hpo.trial import Dropped, State, Trial, Unit, epochs_text
from mlflow_hpo.worker.dispatch import Dispatcher


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


def replay(dispatcher: Dispatcher, trial: Trial) -> Replay:
    """Trains a trial again with its config and seed, in an extra run.

    A copy (pbt) begins from the checkpoint that it began from.

    Raises:
        StudyError: it has no result, the checkpoint is gone, or the training failed.
    """
    metric, connection = dispatcher.info.metric.name, dispatcher.run.connection
    if trial.loss is None or trial.state is State.FAILED:
        raise StudyError(f"trial {trial.number} has no result to compare with: it is {trial.state}")
    run_id = _trained(dispatcher, trial)
    then, now = (history.record_of(connection, r, metric) for r in (trial.run_id, run_id))
    shared = sorted(e for e in then.curve.keys() & now.curve.keys() if e > trial.start or not trial.start)
    if not shared:
        raise StudyError(f"trial {trial.number} has no {metric} recorded by epochs")
    gaps = {e: _gap(then.curve[e], now.curve[e]) for e in shared}
    worst = max(gaps, key=lambda e: (gaps[e], -e))
    return Replay(run_id, gaps[worst], worst, len(shared), then.differences(now))


def _gap(one: float, other: float) -> float:
    return abs(one - other) if isfinite(one) and isfinite(other) else inf * (one != other)


def _trained(dispatcher: Dispatcher, trial: Trial) -> str:
    run, settings = dispatcher.run, dispatcher.info.settings
    seed = trial.config.get("seed", dispatcher.seed(trial.number))
    source = _source(run, trial)
    # A project may have a `seed` of its own.
    constants: dict[str, str] | None = {} if settings.project else None
    run_id = run.extra_runs.create(trial, seed, keys.REPLAYED, f"replay-{trial.number:04d}", constants)
    history.tag_context(run.connection, run_id)
    unit = Unit(trial.number, trial.start, trial.epochs, trial.source)
    work = dispatcher.submit_extra(run_id, unit, trial.config, seed, source)
    result = result_of(run, run_id, work, f"trial {trial.number} could not be trained again")
    again = replace(trial, run_id=run_id, results={})
    done = run.trials.record(again, replace(result, state=State.FINISHED))
    if settings.kept_models is not None:  # its curve is all that is wanted
        run.trials.drop(done, Dropped.ALL)
    return run_id


def _source(run: StudyRun, trial: Trial) -> str | None:
    """Returns the run whose checkpoint a copy began from; None for a trial that began afresh."""
    if trial.source is None:
        return None
    source = next(t for t in run.trials.load() if t.number == trial.source)
    if source.dropped is Dropped.ALL:
        raise StudyError(
            f"trial {trial.number} began from a checkpoint of trial {source.number}, which was not kept"
        )
    return source.run_id


def replay_lines(found: Replay, trial: Trial, metric: str, tolerance: float) -> list[str]:
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
    return [*lines, f"{metric} agrees {exact}, over {epochs_text(found.epochs)}"]


def replay_by_name(
    name: str, tolerance: float, trust: str, any_user: bool, say: Callable[[str], None]
) -> list[str]:
    """Replays the trial with this run id, or `STUDY:NUMBER`; returns the lines that say how far it agrees.

    Args:
        trust, say: see `check_trusted`.
        any_user: `latest` is the newest study, whoever began it.

    Raises:
        StudyError: there is no such trial, or it differs by more than the tolerance.
    """
    os.environ.pop(variables.RUN_ID, None)
    with store_errors(), study_folder() as folder:
        run, trial = find_trial(Connection(), name, any_user)
        info = info_of(run)
        check_trusted(run, info, {}, Given(folder), trust, say)
        with (
            Signals(f"mlflow-hpo replay {trial.run_id}"),
            recorded_workers(run, info, Given(folder), info.worker_count) as dispatcher,  # one starts
        ):
            run.extra_runs.end_abandoned()
            found = replay(dispatcher, trial)
        return replay_lines(found, trial, info.metric.name, tolerance)
