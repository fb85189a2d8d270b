"""Finds studies and trials in the tracking store, and creates studies."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import keys
from mlflow_hpo.store.claim import Claim
from mlflow_hpo.store.connection import Connection, context_tags, to_json
from mlflow_hpo.store.creation import create_run
from mlflow_hpo.store.fluent import active_run
from mlflow_hpo.store.study_run import StudyRun
from mlflow_hpo.store.unbegun import remove_unbegun
from mlflow_hpo.trial import Trial

LATEST = "latest"
TRIAL_HINT = "give the run id of a trial, or STUDY:NUMBER"
IS_STUDY = f"tags.`{keys.STUDY}` = '{keys.FORMAT}'"


def new_study(
    connection: Connection, tags: Mapping[str, str] | None = None, parent: Run | None = None
) -> StudyRun:
    """Creates a run, which `begin` makes a study; removes those that came to nothing.

    Args:
        parent: the run that it lies below; its experiment is the study's, unless MLflow's settings name one.
    """
    experiment_id = connection.experiment_id(parent.info.experiment_id if parent else "0")
    remove_unbegun(connection, experiment_id)
    own = {keys.PROCESS: to_json(asdict(Claim(0)))} | ({keys.PARENT: parent.info.run_id} if parent else {})
    return StudyRun(connection, create_run(connection, experiment_id, {**(tags or {}), **own}))


def given_run(connection: Connection, run_id: str | None) -> tuple[StudyRun | None, Run | None]:
    """Returns the run that MLflow started for a new study, if it did, and the run that it lies below, if any.

    That is the active run of the code that begins the study. In a trial, that or MLflow's variable names the
    trial's run: it does not become a study.

    Args:
        run_id: what MLflow's variable for the run of a project says.
    """
    run = connection.client.get_run(run_id) if run_id else None
    if run and keys.CONFIG not in run.data.tags:
        return StudyRun(connection, run), None
    return None, active_run(connection) or run


def open_run(connection: Connection, run_id: str) -> StudyRun:
    """Returns the run with this id, which need not be a study yet."""
    return StudyRun(connection, connection.client.get_run(run_id))


def find_study(connection: Connection, name: str, any_user: bool = False) -> StudyRun:
    """Returns the study with this run id or run name, or this user's newest one for `latest`.

    Args:
        any_user: the newest one, whoever began it.

    Raises:
        StudyError: there is none, or several, or the run is no study.
    """
    if name == LATEST:
        return _latest(connection, any_user)
    with suppress(MlflowException):
        study = open_run(connection, name)
        if not study.is_study:
            raise StudyError(f"run {name!r} is no study: give the run of a search, or {LATEST!r}")
        return study
    return _named(connection, name)


def find_studies(connection: Connection, experiment: str) -> list[StudyRun]:
    """Returns all studies of an experiment, given by its name, oldest first.

    Raises:
        StudyError: there is no such experiment, or no study in it.
    """
    entity = connection.client.get_experiment_by_name(experiment)
    if entity is None:
        raise StudyError(f"no experiment {experiment!r} in {connection.uri}")
    runs = list(connection.runs([entity.experiment_id], IS_STUDY, "attributes.start_time ASC"))
    if not runs:
        raise StudyError(f"experiment {experiment!r} has no study: start one with mlflow-hpo search")
    return [StudyRun(connection, run) for run in runs]


def all_studies(connection: Connection) -> list[StudyRun]:
    """Returns all studies of a store, the newest first."""
    return [StudyRun(connection, run) for run in _studies(connection)]


def _named(connection: Connection, name: str) -> StudyRun:
    quoted = name.replace("'", "").replace('"', "")
    runs = _studies(connection, f" and attributes.run_name = '{quoted}'")
    runs = [run for run in runs if run.info.run_name == name]
    if not runs:
        raise StudyError(f"no study {name!r} in {connection.uri}: give a run id, a run name or {LATEST!r}")
    if len(runs) > 1:
        ids = ", ".join(run.info.run_id for run in runs)
        raise StudyError(f"{len(runs)} studies are named {name!r}: give one run id of {ids}")
    return StudyRun(connection, runs[0])


def _latest(connection: Connection, any_user: bool) -> StudyRun:
    studies, user = _studies(connection), context_tags()[keys.USER]
    users = [run for run in studies if any_user or run.data.tags.get(keys.USER) == user]
    newest = max(users, key=lambda run: run.info.start_time, default=None)
    if newest is None:
        others = f", but {len(studies)} of others: give a run id, or --any-user" if studies else ""
        raise StudyError(
            f"no study of {user} in {connection.uri}{others or ': start one with mlflow-hpo search'}"
        )
    return StudyRun(connection, newest)


def _studies(connection: Connection, condition: str = "") -> list[Run]:
    order = "attributes.start_time DESC"
    return list(connection.runs(connection.experiment_ids(), IS_STUDY + condition, order))


def find_trial(connection: Connection, name: str, any_user: bool = False) -> tuple[StudyRun, Trial]:
    """Returns the study and the trial with this run id, or `STUDY:NUMBER`; `any_user` as for `find_study`.

    Raises:
        StudyError: there is none.
    """
    study, colon, number = name.rpartition(":")
    run = find_study(connection, study, any_user) if colon else _study_of(connection, name)
    for trial in run.trials.load():
        if name == trial.run_id or (colon and number == str(trial.number)):
            return run, trial
    raise StudyError(f"no trial {name!r}: {TRIAL_HINT}")


def _study_of(connection: Connection, run_id: str) -> StudyRun:
    try:
        tags = connection.client.get_run(run_id).data.tags
    except MlflowException as error:
        raise StudyError(f"no run {run_id!r} in {connection.uri}: {TRIAL_HINT}") from error
    if keys.NUMBER not in tags or keys.PARENT not in tags:
        raise StudyError(f"run {run_id!r} is no trial: {TRIAL_HINT}")
    study = open_run(connection, tags[keys.PARENT])
    if not study.is_study:
        raise StudyError(f"run {run_id!r} is no trial: {TRIAL_HINT}")
    return study
