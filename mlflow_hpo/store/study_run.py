"""The run of a study in the tracking store, the parent of its trials. Only the driver writes here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, astuple, replace
from typing import Any

from mlflow.entities import Run

from mlflow_hpo.errors import ConfigError, DamagedError, StudyError
from mlflow_hpo.metric import Metric
from mlflow_hpo.store import keys
from mlflow_hpo.store.asked import settled
from mlflow_hpo.store.claim import claim_in
from mlflow_hpo.store.connection import Connection, context_tags, to_json
from mlflow_hpo.store.extra_runs import ExtraRuns
from mlflow_hpo.store.leased_run import LeasedRun
from mlflow_hpo.store.names import legal
from mlflow_hpo.store.nested_runs import NestedRuns
from mlflow_hpo.store.registrations import FinalTraining, Registration
from mlflow_hpo.store.study_artifacts import StudyArtifacts
from mlflow_hpo.store.tag_reader import Read, TagReader, json_of, words_of
from mlflow_hpo.store.trials import Trials
from mlflow_hpo.store.twins import set_all_aside
from mlflow_hpo.trial import State, Trial

Json = Mapping[str, Any]  # of JSON's types
REASON_KEPT = 1000  # characters of a reason: a tag holds several
LOADS_KEPT = 3
INHERITED = (keys.USER, "mlflow.source.name", "mlflow.source.type", "mlflow.source.git.commit")


OBJECT = json_of(dict[str, Any])
PAIRS = json_of(list[tuple[str, bool]])
REGISTRATIONS, LOADS = json_of(list[Registration]), json_of(dict[str, str])


def _metrics(plan: str) -> list[Metric]:
    return [Metric(*pair) for pair in PAIRS(to_json(OBJECT(plan)["metrics"]))]


def _final(text: str) -> FinalTraining:
    return FinalTraining(*json_of(tuple[int, str, str])(text))


READ = {keys.SETTINGS: OBJECT, keys.PLAN: _metrics}
READ_IF_THERE = {keys.REGISTERED: REGISTRATIONS, keys.LOADS: LOADS, keys.FINAL: _final}


class RecordedStudy:
    """What the tags of a study's run say.

    Attributes:
        tags: those of the run, as they were read last.
    """

    run_id: str
    tags: Mapping[str, str]

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
    def owner(self) -> str:
        """The user who began the study, by its tag."""
        return self.tags.get(keys.USER, "nobody who is named")

    @property
    def is_over(self) -> bool:
        """Tells whether the study has ended or was cut."""
        return self.tags.get(keys.STATE) in (State.FINISHED, State.FAILED, State.KILLED)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics that the study optimises, the first first."""
        return tuple(self._read(keys.PLAN, _metrics))

    @property
    def plan(self) -> dict[str, Any]:
        """What followed from the settings, as JSON's types."""
        return dict(self._read(keys.PLAN, OBJECT))

    @property
    def settings(self) -> dict[str, Any]:
        """The settings as they were given."""
        return dict(self._read(keys.SETTINGS, OBJECT))

    @contextmanager
    def reading_record(self) -> Iterator[None]:
        """Names the run and the tag where what was asked, or what followed from it, makes no sense.

        Raises:
            DamagedError: in place of errors of the settings (ConfigError) and of the plan (ValueError).
        """
        try:
            yield
        except ConfigError as error:
            raise DamagedError(f"run {self.run_id}: tag {keys.SETTINGS} is damaged: {error}") from error
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedError(f"run {self.run_id}: tag {keys.PLAN} is damaged: {words_of(error)}") from error

    def _read(self, key: str, read: Read, default: str | None = None) -> Any:
        return TagReader(self.run_id, self.tags).read_one(key, read, default)

    @property
    def state(self) -> str:
        """The study's state and, if there is one, the reason."""
        reason = self.tags.get(keys.REASON)
        return self.tags.get(keys.STATE, "") + (f": {reason}" if reason else "")


class StudyRun(RecordedStudy, LeasedRun):
    """The run of one study."""

    def __init__(self, connection: Connection, run: Run) -> None:
        self.connection = connection
        self.run_id, self.name = run.info.run_id, run.info.run_name
        self.experiment_id = run.info.experiment_id
        self.tags: Mapping[str, str] = run.data.tags
        self.artifacts = StudyArtifacts(connection, run)

    @property
    def trials(self) -> Trials:
        """The study's trials in the store."""
        return Trials(self._nested)

    @property
    def extra_runs(self) -> ExtraRuns:
        """The study's extra runs in the store."""
        return ExtraRuns(self._nested)

    def begin(self, settings: Json, plan: Json, params: Json, space_text: str, start_text: str = "") -> None:
        """Makes the run a study; the mark comes last, with everything that a resume needs.

        Args:
            settings, plan: what was asked and what followed from it.
            params: the settings for people.
        """
        self._tag(context_tags() | dict(self.tags))
        self.artifacts.keep_space(space_text, start_text)
        logged = self.connection.client.get_run(self.run_id).data.params  # by `mlflow run`
        new = {k: "" if v is None else v for k, v in params.items() if k not in logged}
        self.connection.write(self.run_id, params=new)
        self._tag({keys.STUDY: keys.FORMAT} | _driving(settings, plan))
        metric = self.metrics[0]  # for the experiment's charts
        set_tag = self.connection.client.set_experiment_tag
        shown = f"{keys.BEST if self.plan['at_best'] else ''}{metric.name}"
        set_tag(self.experiment_id, keys.PRIMARY_METRIC, legal(shown))
        set_tag(self.experiment_id, keys.GREATER_IS_BETTER, str(metric.maximize))

    def drive_again(self, settings: Json, plan: Json) -> None:
        """Sets the study to RUNNING again."""
        self.connection.client.update_run(self.run_id, status="RUNNING")
        self._tag(_driving(settings, plan))
        self.tags = self.connection.client.get_run(self.run_id).data.tags

    def show_best(self, metric: str, values: Mapping[int, float], note: str) -> None:
        """Extends the series of the best value so far, by the number of results; describes the best trial."""
        with self._writing():
            self.connection.write(self.run_id, series={keys.BEST + metric: values}, tags={keys.NOTE: note})

    @property
    def final(self) -> FinalTraining | None:
        """The newest final training; None if there was none."""
        record = self.connection.client.get_run(self.run_id).data.tags.get(keys.FINAL)
        return TagReader(self.run_id, {keys.FINAL: record}).read_one(keys.FINAL, _final) if record else None

    def keep_final(self, final: FinalTraining) -> None:
        """Records a final training that ended well."""
        self.check_lease()
        self.connection.client.set_terminated(final.run_id)
        self._tag({keys.FINAL: to_json(astuple(final))})

    @property
    def registrations(self) -> list[Registration]:
        """The study's registrations, the newest first."""
        return list(self._read(keys.REGISTERED, REGISTRATIONS, "[]"))

    def keep_registrations(self, registrations: Sequence[Registration], note: str) -> None:
        """Records registrations, and describes the study with them."""
        kept = [asdict(replace(one, why=one.why[:REASON_KEPT])) for one in registrations]
        self._tag({keys.REGISTERED: to_json(kept), keys.NOTE: note})

    @property
    def loads(self) -> dict[str, str]:
        """The models that were loaded once in a fresh process, and why that failed; empty if it did not."""
        return dict(self._read(keys.LOADS, LOADS, "{}"))

    def keep_load(self, model_uri: str, line: str) -> None:
        """Records whether a model could be loaded; of the earlier ones, the newest are kept."""
        newest = [*self.loads.items()][-LOADS_KEPT:]
        self._tag({keys.LOADS: to_json({**dict(newest), model_uri: line[:REASON_KEPT]})})

    def damage(self) -> list[str]:
        """Returns a line for each run whose tags are damaged: the study's own, and those that hold trials."""
        own = TagReader(self.run_id, self.tags)
        for key, read in (READ | {k: r for k, r in READ_IF_THERE.items() if k in self.tags}).items():
            own.read(key, read)
        claims = TagReader(self.run_id, params := self.connection.client.get_run(self.run_id).data.params)
        for claim in (param for param in params if param.startswith(keys.CLAIM)):
            claims.read(claim, claim_in)
        metrics = () if own.faults else self.metrics
        return [
            *own.lines,
            *claims.lines,
            *NestedRuns(self.connection, self.run_id, self.experiment_id, metrics, {}).damage(),
        ]

    def set_twins_aside(self, known: Iterable[Trial], say: Callable[[str], None]) -> None:
        """Deletes the runs that were created beside those of the trials; none of these is running any more.

        Args:
            say: gets a line for each.
        """
        ours = {trial.run_id for trial in known}
        still = self._nested.find("attributes.status = 'RUNNING'")
        twins = [run for run in still if keys.NUMBER in run.data.tags and run.info.run_id not in ours]
        set_all_aside(self.connection, twins, say)

    def with_asked(self, trial: Trial) -> Trial:
        """Returns a trial with what its objective asked for as its config."""
        return settled(self._nested, trial)

    def end(self, state: State, reason: str) -> None:
        """Records that the study ended, or was cut (KILLED).

        Raises:
            SupersededError: another process drives it by now.
        """
        self._tag({keys.STATE: str(state), keys.REASON: reason})
        self.connection.client.set_terminated(self.run_id, state.name)

    @property
    def _nested(self) -> NestedRuns:
        inherited = {k: v for k, v in self.tags.items() if k in INHERITED}
        return NestedRuns(
            self.connection, self.run_id, self.experiment_id, self.metrics, inherited, self.lease
        )


def _driving(settings: Json, plan: Json) -> dict[str, str]:
    return {
        keys.SETTINGS: to_json(dict(settings)),
        keys.PLAN: to_json(dict(plan)),
        keys.STATE: str(State.RUNNING),
        keys.REASON: "",
    }
