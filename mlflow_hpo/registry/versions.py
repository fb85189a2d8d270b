"""Versions of a registered model: making one, moving the alias, and moving it back."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from mlflow_hpo.errors import StudyError
from mlflow_hpo.registry.champion import MISSING, classes_tag, holder
from mlflow_hpo.registry.gate import Challenger, Verdict
from mlflow_hpo.registry.testing import Tested
from mlflow_hpo.report import summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.store import Connection, StudyRun, default_store, keys
from mlflow_hpo.store.connection import to_json
from mlflow_hpo.store.registrations import Registration
from mlflow_hpo.trial import Trial

LOGGED = "models:/"  # before the id of a model that was logged


@dataclass(frozen=True)
class Entry:
    """All that a new version says of itself."""

    run: StudyRun
    info: StudyInfo
    trials: Sequence[Trial]
    model: Tested
    new: Challenger
    champion: ModelVersion | None
    verdict: Verdict

    def tags(self, alias: str) -> dict[str, str]:
        """The way back to study and trial, and what was compared."""
        trial = next(t for t in self.trials if t.number == self.new.trial)
        evaluation = self.model.evaluation
        found = {
            keys.STUDY_RUN: self.run.run_id,
            keys.TRIAL_RUN: trial.run_id,
            keys.NUMBER: str(trial.number),
            keys.VALUE: to_json([self.info.metric.name, self.new.value]),
            keys.COMPARED: self.verdict.tag(self.champion, self.info),
        }
        if evaluation.digest:
            found |= {keys.TEST_DIGEST: evaluation.digest, keys.CLASSES: classes_tag(evaluation.classes)}
        if not self.verdict.moves:
            found[keys.FORCED] = self.verdict.why[:1000]
        if self.champion:
            found[keys.BEFORE + alias] = str(self.champion.version)
        return found

    @property
    def text(self) -> str:
        """The description, for people."""
        scores = ", ".join(f"{k} {v:.4f}" for k, v in self.model.scores.items())
        digest = self.model.evaluation.digest
        lines = [
            f"Trial {self.new.trial} of study {self.run.name} ({self.run.run_id}): "
            f"{summary.headline(self.info, self.trials)}.",
            f"On the test part: {scores}." if scores else "There was no test part to score it on.",
            f"{'It took' if self.verdict.moves else 'It was forced to take'} the alias: {self.verdict.why}"
            + (f" (data {digest})." if digest else "."),
            self.verdict.note,
        ]
        return " ".join(line for line in lines if line)


def new_version(entry: Entry, name: str, alias: str) -> Registration:
    """Make the model a version of `name`, then move the alias to it, which is never without one."""
    client, model = entry.run.connection.client, entry.model.model
    _ensure(entry.run.connection, name)
    with default_store(entry.run.connection.uri):
        version = client.create_model_version(
            name,
            source=model.uri,
            run_id=model.run_id,
            tags=entry.tags(alias),
            description=entry.text,
            model_id=model.uri.removeprefix(LOGGED) if model.uri.startswith(LOGGED) else None,
        )
    client.set_registered_model_alias(name, alias, version.version)
    why = entry.verdict.why if entry.verdict.moves else f"it was forced, though {entry.verdict.why}"
    return Registration(name, alias, model.trial, why, str(version.version), dict(entry.model.scores))


def rollback(connection: Connection, name: str, alias: str) -> tuple[str, str]:
    """Move the alias back to the version that held it before.

    Returns:
        The version that held it, and the one that holds it now.

    Raises:
        StudyError: nobody holds it, or none held it before, or that version is gone.
    """
    now = holder(connection, name, alias)
    if now is None:
        raise StudyError(f"model {name!r} has no version with the alias {alias!r}: nothing to roll back")
    before = now.tags.get(keys.BEFORE + alias)
    if not before:
        raise StudyError(
            f"version {now.version} of {name!r} is the first known to hold the alias {alias!r}: "
            "there is none before it to go back to"
        )
    try:
        connection.client.get_model_version(name, before)
    except MlflowException as error:
        raise StudyError(f"version {before} of {name!r}, which held {alias!r} before, is gone") from error
    connection.client.set_registered_model_alias(name, alias, before)
    return str(now.version), before


def _ensure(connection: Connection, name: str) -> None:
    try:
        connection.client.get_registered_model(name)
    except MlflowException as error:
        if error.error_code != MISSING:
            raise
        connection.client.create_registered_model(name)
