"""What a trial's run records of how it was trained."""

from dataclasses import dataclass

from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, context_tags
from mlflow_hpo.store.history import machine_of
from mlflow_hpo.store.studies import find_study, open_run
from mlflow_hpo.store.study_run import StudyRun
from mlflow_hpo.trial import Trial

COMMIT, DATA = "git commit", "data"
MAY_DIFFER = ("host", "memory_gb")  # between two runs, without any effect


@dataclass(frozen=True)
class Record:
    """How a trial was trained.

    Attributes:
        facts: by what they are: the commit, the digest of the data, the machine and the packages.
        curve: epoch -> the study's metric.
    """

    facts: dict[str, str]
    curve: dict[int, float]

    def differences(self, now: "Record") -> list[str]:
        """What is recorded here and is otherwise there, in words."""
        return [
            f"{name}: {self.facts.get(name, 'not recorded')} then, {now.facts.get(name, 'none')} now"
            for name in dict.fromkeys([*self.facts, *now.facts])
            if self.facts.get(name) != now.facts.get(name)
        ]


def find_trial(connection: Connection, name: str) -> tuple[StudyRun, Trial]:
    """The trial with this run id, or `STUDY:NUMBER`.

    Raises:
        StudyError: there is none.
    """
    study, colon, number = name.rpartition(":")
    if colon:
        run = find_study(connection, study)
        found = [t for t in run.trials.load() if str(t.number) == number]
    else:
        run = _study_of(connection, name)
        found = [t for t in run.trials.load() if t.run_id == name]
    if not found:
        raise StudyError(f"no trial {name!r}: give the run id of a trial, or STUDY:NUMBER")
    return run, found[0]


def _study_of(connection: Connection, run_id: str) -> StudyRun:
    try:
        tags = connection.client.get_run(run_id).data.tags
    except MlflowException as error:
        raise StudyError(
            f"no run {run_id!r} in {connection.uri}: give the run id of a trial, or STUDY:NUMBER"
        ) from error
    if keys.NUMBER not in tags:
        raise StudyError(f"run {run_id!r} is no trial: give the run id of a trial, or STUDY:NUMBER")
    return open_run(connection, tags[keys.PARENT])


def record_of(connection: Connection, run_id: str, metric: str) -> Record:
    """What a run records."""
    run = connection.client.get_run(run_id)
    history = connection.client.get_metric_history(run_id, metric)
    return Record(_facts(run), {m.step: m.value for m in history})


def tag_context(connection: Connection, run_id: str) -> None:
    """Record with a run who runs it now, and from which commit."""
    connection.write(run_id, tags=context_tags())


def _facts(run: Run) -> dict[str, str]:
    tags, data = run.data.tags, run.inputs.dataset_inputs if run.inputs else []
    facts = {COMMIT: tags[keys.COMMIT]} if keys.COMMIT in tags else {}
    if data:
        facts[DATA] = f"{data[0].dataset.name} {data[0].dataset.digest}"
    return facts | {k: v for k, v in sorted(machine_of(run).items()) if k not in MAY_DIFFER}
