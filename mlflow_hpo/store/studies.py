"""A study in the tracking store: the parent run. Only the driver writes here."""

import json
import os
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, astuple, replace
from pathlib import Path
from typing import Any

import psutil
from mlflow.artifacts import download_artifacts, load_text
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError
from mlflow_hpo.metric import Metric
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, context_tags, to_json
from mlflow_hpo.store.registrations import FinalTraining, Registration
from mlflow_hpo.store.trials import Trials
from mlflow_hpo.trial import State

LATEST = "latest"
MAX_WHY = 1000  # characters of a registration's ground, of which a tag holds several
INHERITED = ("mlflow.user", "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")


class StudyRun:
    """The run of one study."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self.connection = connection
        self.run_id, self.name = run.info.run_id, run.info.run_name
        self.experiment_id = run.info.experiment_id
        self.tags: Mapping[str, str] = run.data.tags

    @property
    def trials(self) -> Trials:
        """Its trials in the store; they inherit who ran it, and from which source and commit."""
        inherited = {k: v for k, v in self.tags.items() if k in INHERITED}
        return Trials(self.connection, self.run_id, self.experiment_id, self.metrics, inherited)

    @property
    def is_study(self) -> bool:
        """Tells whether the run was started as a study.

        Raises:
            StudyError: it was, in another version of the format than is read here.
        """
        version = self.tags.get(keys.STUDY)
        if version not in (None, keys.FORMAT):
            raise StudyError(
                f"study {self.run_id} is in version {version} of the format, and this mlflow-hpo reads "
                f"version {keys.FORMAT}: start it again with a search"
            )
        return version is not None

    @property
    def is_over(self) -> bool:
        """Whether it has ended, or was cut."""
        return self.tags.get(keys.STATE) in (State.FINISHED, State.FAILED, State.KILLED)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that the study optimises, the first first."""
        return tuple(Metric(*pair) for pair in self.plan["metrics"])

    @property
    def plan(self) -> dict[str, Any]:
        """What followed from the settings, as JSON's types."""
        return dict(json.loads(self.tags[keys.PLAN]))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as they were given."""
        return dict(json.loads(self.tags[keys.SETTINGS]))

    @property
    def state(self) -> str:
        """The study's state and, where there is one, the reason."""
        reason = self.tags.get(keys.REASON)
        return self.tags.get(keys.STATE, "") + (f": {reason}" if reason else "")

    @property
    def space_text(self) -> str:
        """The space, as it was when the study began.

        Raises:
            StudyError: its file is gone.
        """
        return self._text(keys.SPACE_FILE)

    @property
    def start_text(self) -> str:
        """The configs that were to be tried first, as they were given; empty where there were none."""
        return self._text(keys.START_FILE)

    def _text(self, file: str) -> str:
        try:
            uri = f"{self.connection.client.get_run(self.run_id).info.artifact_uri}/{file}"
            return str(load_text(uri))
        except (MlflowException, OSError) as error:
            raise StudyError(f"study {self.run_id} has lost its {file}: {error}") from error

    def begin(
        self,
        settings: Mapping[str, Any],
        plan: Mapping[str, Any],
        params: Mapping[str, Any],
        space_text: str,
        start_text: str = "",
    ) -> None:
        """Makes the run a study: the mark comes last, with everything that a resume needs.

        Args:
            settings, plan: what was asked and what followed from it, as JSON's types.
            params: the settings for people.
        """
        self._tag(context_tags() | dict(self.tags))
        self.connection.client.log_text(self.run_id, space_text, keys.SPACE_FILE)
        if start_text:
            self.connection.client.log_text(self.run_id, start_text, keys.START_FILE)
        known = self.connection.client.get_run(self.run_id).data.params
        new = {k: "" if v is None else v for k, v in params.items() if k not in known}
        self.connection.write(self.run_id, params=new)
        self._tag({keys.STUDY: keys.FORMAT} | self._driving(settings, plan))

    def drive_again(self, settings: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
        """This process goes on with the study.

        Raises:
            StudyError: another process took it over at the same moment.
        """
        self.connection.client.update_run(self.run_id, status="RUNNING")
        self._tag(self._driving(settings, plan))
        now = self.connection.client.get_run(self.run_id).data.tags
        if now.get(keys.DRIVER) != self.tags[keys.DRIVER]:
            raise StudyError(f"study {self.run_id} was taken over by another process: wait for it or stop it")

    def other_driver(self) -> str | None:
        """The process that drives the study now, if it is on this machine and not this one."""
        self.tags = self.connection.client.get_run(self.run_id).data.tags  # it may have begun just now
        with suppress(KeyError, ValueError, psutil.Error):
            driver = json.loads(self.tags[keys.DRIVER])
            process = psutil.Process(driver["pid"])
            here = driver["host"] == socket.gethostname() and driver["pid"] != os.getpid()
            if here and abs(process.create_time() - driver["started"]) < 1:
                return f"process {driver['pid']}"
        return None

    def show_metric(self, metric: Metric) -> None:
        """Steer the experiment's charts to the metric."""
        client = self.connection.client
        client.set_experiment_tag(self.experiment_id, keys.PRIMARY_METRIC, metric.name)
        client.set_experiment_tag(self.experiment_id, keys.GREATER_IS_BETTER, str(metric.maximize))

    def show_best(self, metric: str, value: float, results: int, note: str) -> None:
        """Extend the series of the best value so far, and describe the best trial."""
        self.connection.write(
            self.run_id, metrics={keys.BEST + metric: value}, step=results, tags={keys.NOTE: note}
        )

    @property
    def final(self) -> FinalTraining | None:
        """The newest final training; None if there was none."""
        record = self.connection.client.get_run(self.run_id).data.tags.get(keys.FINAL)
        return FinalTraining(*json.loads(record)) if record else None

    def keep_final(self, final: FinalTraining) -> None:
        """Records a final training that ended well."""
        self.connection.client.set_terminated(final.run_id)
        self._tag({keys.FINAL: to_json(astuple(final))})

    @property
    def registrations(self) -> list[Registration]:
        """How its registrations came out, the newest first."""
        return [Registration(**one) for one in json.loads(self.tags.get(keys.REGISTERED, "[]"))]

    def keep_registrations(self, found: Sequence[Registration], note: str) -> None:
        """Keep how registrations came out, and describe the study with them."""
        kept = [asdict(replace(one, why=one.why[:MAX_WHY])) for one in found]
        self._tag({keys.REGISTERED: to_json(kept), keys.NOTE: note[: keys.MAX_TAG]})

    def keep_content(self, file: Path) -> None:
        """Keeps what Python gave among the artifacts, under its digest, which is the file's name."""
        self.connection.client.log_artifact(self.run_id, str(file), keys.CONTENTS)

    def fetch_content(self, digest: str, folder: Path) -> None:
        """Lays what Python gave into a folder.

        Raises:
            StudyError: the study has not kept it.
        """
        uri = f"{self.connection.client.get_run(self.run_id).info.artifact_uri}/{keys.CONTENTS}/{digest}"
        try:
            download_artifacts(uri, dst_path=str(folder))
        except (MlflowException, OSError) as error:
            raise StudyError(f"study {self.run_id} has lost what Python gave it: {error}") from error

    def show_page(self, html: str) -> None:
        """Keep the report's page among the artifacts, in place of an earlier one."""
        self.connection.client.log_text(self.run_id, html, keys.PAGE_FILE)

    def end(self, state: State, reason: str) -> None:
        """The study ended, or was cut (KILLED)."""
        tags = {keys.STATE: str(state), keys.REASON: reason[: keys.MAX_TAG], keys.DRIVER: ""}
        self._tag(tags)
        self.connection.client.set_terminated(self.run_id, state.name)

    def _driving(self, settings: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[str, str]:
        started = psutil.Process().create_time()
        driver = {"host": socket.gethostname(), "pid": os.getpid(), "started": started}
        own = {
            keys.SETTINGS: to_json(dict(settings)),
            keys.PLAN: to_json(dict(plan)),
            keys.DRIVER: to_json(driver),
        }
        return own | {keys.STATE: State.RUNNING.value, keys.REASON: ""}

    def _tag(self, tags: Mapping[str, str]) -> None:
        self.connection.write(self.run_id, tags=tags)
        self.tags = {**self.tags, **tags}


def new_study(connection: Connection, tags: Mapping[str, str] | None = None) -> StudyRun:
    """A run of its own, not yet a study."""
    return StudyRun(
        connection, connection.client.create_run(connection.experiment_id(), tags=dict(tags or {}))
    )


def open_run(connection: Connection, run_id: str) -> StudyRun:
    """The run that MLflow's project gave us."""
    return StudyRun(connection, connection.client.get_run(run_id))


def find_study(connection: Connection, name: str) -> StudyRun:
    """The study with this run id or run name, or the newest one for `latest`.

    Raises:
        StudyError: there is none, or several, or the run is no study.
    """
    if name == LATEST:
        return _latest(connection)
    with suppress(MlflowException):
        study = StudyRun(connection, connection.client.get_run(name))
        if not study.is_study:
            raise StudyError(f"run {name!r} is no study: give the run of a search, or {LATEST!r}")
        return study
    quoted = name.replace("'", "").replace('"', "")
    named = [
        r for r in _studies(connection, f" and attributes.run_name = '{quoted}'") if r.info.run_name == name
    ]
    if not named:
        raise StudyError(f"no study {name!r} in {connection.uri}: give a run id, a run name or {LATEST!r}")
    if len(named) > 1:
        ids = ", ".join(r.info.run_id for r in named)
        raise StudyError(f"{len(named)} studies are named {name!r}: give one run id of {ids}")
    return StudyRun(connection, named[0])


def find_studies(connection: Connection, experiment: str) -> list[StudyRun]:
    """All studies of an experiment, by its name, from the first to the last.

    Raises:
        StudyError: there is no such experiment, or no study in it.
    """
    known = connection.client.get_experiment_by_name(experiment)
    if known is None:
        raise StudyError(f"no experiment {experiment!r} in {connection.uri}")
    marked = f"tags.`{keys.STUDY}` = '{keys.FORMAT}'"
    found = list(connection.runs([known.experiment_id], marked, "attributes.start_time ASC"))
    if not found:
        raise StudyError(f"experiment {experiment!r} has no study: start one with mlflow-hpo search")
    return [StudyRun(connection, run) for run in found]


def _latest(connection: Connection) -> StudyRun:
    newest = max(_studies(connection, ""), key=lambda r: r.info.start_time, default=None)
    if newest is None:
        raise StudyError(f"no study in {connection.uri}: start one with mlflow-hpo search")
    return StudyRun(connection, newest)


def _studies(connection: Connection, condition: str) -> list[Run]:
    experiments = connection.experiment_ids()
    marked = f"tags.`{keys.STUDY}` = '{keys.FORMAT}'{condition}"
    return list(connection.runs(experiments, marked, "attributes.start_time DESC"))
