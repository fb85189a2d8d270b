"""The runs nested under a study's run: its trials, and the extra runs of registration and replay."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from mlflow.entities import Run, ViewType

from mlflow_hpo.errors import DamagedError
from mlflow_hpo.metric import Metric
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, checked, in_parts, to_json, whole_text
from mlflow_hpo.store.creation import claim_of, new_mark
from mlflow_hpo.store.deletion import delete_artifacts, delete_models
from mlflow_hpo.store.lease import Lease
from mlflow_hpo.store.results import read_results
from mlflow_hpo.store.tag_reader import TagReader, json_of
from mlflow_hpo.store.tag_reader import count as count_of
from mlflow_hpo.trial import Config, Dropped, State, Trial

Constants = Mapping[str, str] | None  # params besides a trial's config, in place of the seed
CONFIG = json_of(dict[str, Any])
ASKED = json_of(dict[str, tuple[Any, Any]])
VIOLATIONS = json_of(dict[int, float])
SOURCE = json_of(tuple[int | None, int])
UNDER_WAY = "?"  # ends the tag DROPPED while its deletion is not complete


@dataclass(frozen=True)
class NestedRuns:
    """Creates, finds, reads and empties the runs under a study's run.

    Attributes:
        tags: what every new run inherits from the study's run (user, source, git commit).
        lease: the study's, if this process drives it.
    """

    connection: Connection
    study_id: str
    experiment_id: str
    metrics: Sequence[Metric]
    tags: Mapping[str, str]
    lease: Lease | None = None

    def create(
        self,
        name: str,
        config: Config,
        tags: Mapping[str, str],
        seed: int,
        constants: Constants = None,
        asks: bool = False,
    ) -> str:
        """Starts a run, complete with its tags from its first moment; returns its id.

        Args:
            asks: the config is only proposed: no param is written of it.

        Raises:
            SupersededError: another process drives the study by now.
        """
        if self.lease:
            self.lease.check()
        mark = {keys.CREATED: new_mark(self.lease.claim.number if self.lease else 0)}
        tags = {**self.tags, keys.PARENT: self.study_id, **config_tags(config), **tags, **mark}
        client = self.connection.client
        run_id = client.create_run(self.experiment_id, tags=checked(tags), run_name=name).info.run_id
        try:
            self.connection.write(run_id, params=run_params({} if asks else config, seed, constants))
        except BaseException:  # nobody else knows of the run yet
            with suppress(Exception):
                client.set_terminated(run_id, "FAILED")
            raise
        return str(run_id)

    @contextmanager
    def writing(self, run_id: str) -> Iterator[None]:
        """Checks that the run to which something is written is still there, and this process's to write to.

        Raises:
            RunDeletedError: somebody deleted it meanwhile.
            SupersededError: this process drove the study, and another one does by now.
        """
        if self.lease:
            self.lease.check_lately()
        with self.connection.writing(run_id):
            yield

    def find(self, condition: str = "", view: int = ViewType.ACTIVE_ONLY) -> Iterator[Run]:
        """Yields the runs that meet a condition in MLflow's filter syntax, oldest first, page by page."""
        nested = f"tags.`{keys.PARENT}` = '{self.study_id}'" + (f" and {condition}" if condition else "")
        return self.connection.runs([self.experiment_id], nested, "attributes.start_time ASC", view)

    def read(self, run: Run, number_key: str = keys.NUMBER) -> Trial:
        """Returns the trial that a run's tags describe.

        Args:
            number_key: the tag that holds the trial's number.

        Raises:
            DamagedError: tags do not hold what was written there.
        """
        tags = run.data.tags
        reader = TagReader(run.info.run_id, tags)
        source, start = reader.read(keys.SOURCE, SOURCE, "[null, 0]") or (None, 0)
        reader.read(keys.CREATED, lambda text: claim_of(run), "")
        reader.read(keys.ASKED, lambda text: ASKED(whole_text(keys.ASKED, tags) or "{}"), "")
        trial = Trial(
            number=reader.read(number_key, count_of),
            run_id=run.info.run_id,
            state=reader.read(keys.STATE, State),
            config=reader.read(keys.CONFIG, lambda text: read_config(tags)),
            results=read_results(reader, tags, self.metrics),
            seconds=reader.read(keys.SECONDS, float, "0"),
            reason=tags.get(keys.REASON, ""),
            model_uri=tags.get(keys.MODEL, ""),
            start=start,
            source=source,
            ended_itself=keys.ENDED_ITSELF in tags,
            attempts=reader.read(keys.ATTEMPTS, count_of, "0"),
            best_epoch=reader.read(keys.BEST_EPOCH, lambda text: count_of(text) if text else None, ""),
            asked=whole_text(keys.ASKED, tags),
            violations=reader.read(keys.VIOLATIONS, VIOLATIONS, "{}"),
            dropped=reader.read(keys.DROPPED, lambda text: Dropped(text.rstrip(UNDER_WAY)), ""),
        )
        reader.check()
        return trial

    def damage(self) -> list[str]:
        """Returns a line for each run whose tags are damaged, of those that hold a trial's."""
        lines = list[str]()
        for run in self.find():
            for key in {keys.NUMBER, keys.RETRAINED} & run.data.tags.keys():
                try:
                    if key == keys.NUMBER or keys.STATE in run.data.tags:
                        self.read(run, key)
                except DamagedError as error:
                    lines.append(str(error))
        return lines

    def drop(self, run_id: str, model_uri: str, what: Dropped) -> str:
        """Deletes the models of a run and of those below it, and its checkpoints if all is to go.

        Registered models stay.

        The run's tag says what is being deleted before that begins, so that the next driver completes it.

        Returns:
            The model's URI if the model stays; else empty.
        """
        self.connection.write(run_id, tags={keys.DROPPED: f"{what}{UNDER_WAY}"})
        registered = delete_models(self.connection, self.experiment_id, run_id)
        if what is Dropped.ALL:
            delete_artifacts(self.connection, run_id, keys.CHECKPOINTS)
        model_uri = model_uri if model_uri in registered else ""
        self.connection.write(run_id, tags={keys.DROPPED: str(what), keys.MODEL: model_uri})
        return model_uri

    def end_below(self, run_id: str, status: str) -> None:
        """Ends the runs that a trial's code began below its run and that nobody can end any more."""
        below = f"tags.`{keys.TRIAL_RUN}` = '{run_id}' and attributes.status = 'RUNNING'"
        for run in self.connection.runs([self.experiment_id], below, "attributes.start_time ASC"):
            self.connection.client.set_terminated(run.info.run_id, status)


def is_half_dropped(run: Run) -> bool:
    """Tells whether a driver was killed while it deleted what a run holds."""
    return str(run.data.tags.get(keys.DROPPED, "")).endswith(UNDER_WAY)


def config_tags(config: Config) -> dict[str, str]:
    """Returns the tags that hold a config, whole: a param may be shortened."""
    return in_parts(keys.CONFIG, to_json(dict(config)))


def read_config(tags: Mapping[str, str]) -> dict[str, Any]:
    """Returns the config that a run's tags hold."""
    return dict(CONFIG(whole_text(keys.CONFIG, tags)))


def run_params(config: Config, seed: int, constants: Constants) -> dict[str, Any]:
    """Returns a run's params: its config, and the constants or, if there are none, the seed."""
    return {**({keys.SEED_PARAM: seed} if constants is None else constants), **config}
