"""Trials of an earlier study that inform the algorithm of this one."""

from collections.abc import Callable

from mlflow_hpo.algorithms import warm_trials
from mlflow_hpo.errors import StudyError
from mlflow_hpo.report.study_info import StudyInfo, info_of
from mlflow_hpo.space import Space
from mlflow_hpo.store import Connection, find_study
from mlflow_hpo.trial import Trial

SHOWN = 5  # trials that do not fit, by name
# What a loss is measured on, by the options' names.
MEASURE: dict[str, Callable[[StudyInfo], object]] = {
    "model": lambda info: info.model,
    "data": lambda info: info.data or None,
    "fraction": lambda info: info.settings.fraction,
    "folds": lambda info: info.settings.folds,
    "repeats": lambda info: info.settings.repeats,
    "resource": lambda info: info.settings.resource,
    "target": lambda info: info.settings.target_column,
    "group-column": lambda info: info.settings.group_column,
    "time-column": lambda info: info.settings.time_column,
    "part-column": lambda info: info.settings.part_column,
    "folds from Python": lambda info: info.splits[:12] or None,
    "data-seed": lambda info: info.settings.split_seed,
}


def earlier_trials(
    connection: Connection, info: StudyInfo, space: Space, say: Callable[[str], None]
) -> tuple[str, list[Trial]]:
    """Returns the run id of the study that `warm_start` names, and its trials that fit; says which do not.

    A study that goes on takes the study that it began with, whatever the name may mean by now.

    Raises:
        StudyError: there is no such study, or its metric or direction is another one.
    """
    study = find_study(connection, info.warm_start or str(info.settings.warm_start))
    other = info_of(study)
    aims = [f"{'maximise' if m.maximize else 'minimise'}d {m.name}" for m in (other.metric, info.metric)]
    if aims[0] != aims[1]:
        raise StudyError(f"warm-start: study {study.name} {aims[0]}, this one {aims[1]}")
    only = None if info.scores_every_epoch else info.plan.rungs
    rungs = {*info.plan.rungs, *other.plan.rungs}
    kept, notes = warm_trials(study.trials.load(), space, info.max_epochs, rungs, only)
    for line in (*_fit_lines(study.name, len(kept), notes), *_measure_lines(other, info)):
        say(line)
    return study.run_id, kept


def _fit_lines(name: str, kept: int, notes: list[str]) -> list[str]:
    more = [f"  and {len(notes) - SHOWN} more"] if len(notes) > SHOWN else []
    left_out = [f"  left out: {note}" for note in notes[:SHOWN]]
    return [f"warm start from {name}: {kept} of {kept + len(notes)} trials", *left_out, *more]


def _measure_lines(other: StudyInfo, info: StudyInfo) -> list[str]:
    return [
        f"  mind: its losses are another measure: {name} was {read(other)}, here it is {read(info)}"
        for name, read in MEASURE.items()
        if read(other) != read(info)
    ]
