"""Tells apart runs of one trial: a lost answer, or a driver that had lost its study, made a second one."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby

from mlflow.entities import Run

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection
from mlflow_hpo.store.creation import claim_of, set_aside
from mlflow_hpo.trial import State, Trial

Pair = tuple[Trial, Run]


def without_twins(pairs: Sequence[Pair]) -> tuple[list[Pair], list[Run]]:
    """Returns the trials by number, each with the run that was used, and the runs that were not.

    Raises:
        StudyError: two runs of one number were used.
    """
    ordered = sorted(pairs, key=lambda pair: pair[0].number)
    used, twins = list[Pair](), list[Run]()
    for _, same in groupby(ordered, key=lambda pair: pair[0].number):
        last, *others = sorted(same, key=_use, reverse=True)
        for other in others:
            _check_is_twin(last, other)
        used.append(last)
        twins += [run for _, run in others]
    return used, twins


def set_all_aside(connection: Connection, twins: Iterable[Run], say: Callable[[str], None]) -> None:
    """Ends and deletes runs that were not used, and says so of each."""
    for run in twins:
        set_aside(connection, run)
        say(f"trial {run.data.tags[keys.NUMBER]} had a second run, which was never used: it was deleted")


def _use(pair: Pair) -> tuple[int, int, bool, int, int]:
    """Sorts the run that was used to the end: of the newest driver, with results, ended, with params."""
    trial, run = pair
    ended = trial.state is not State.RUNNING
    return claim_of(run), trial.result_count, ended, len(run.data.params), run.info.start_time


def _check_is_twin(used: Pair, other: Pair) -> None:
    (trial, run), (twin, its_run) = used, other
    same = run.data.tags.get(keys.CREATED) == its_run.data.tags.get(keys.CREATED)
    if claim_of(run) == claim_of(its_run) and not same:
        raise StudyError(f"trial {trial.number} has two runs, {twin.run_id} and {trial.run_id}: delete one")
