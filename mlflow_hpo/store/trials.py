"""A trial in the tracking store: a run nested under the study's. Only the driver writes here."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import pairwise
from typing import Any

from mlflow.entities import Run

from mlflow_hpo.errors import StudyError
from mlflow_hpo.metric import Metric
from mlflow_hpo.store import keys
from mlflow_hpo.store.connection import Connection, checked, store_errors, to_json
from mlflow_hpo.store.deletion import delete_artifacts, delete_models
from mlflow_hpo.store.results import joined, losses_of, read_results, results_tags
from mlflow_hpo.trial import Dropped, Result, State, Trial

STATUS = {
    State.PAUSED: "SCHEDULED",
    State.STOPPED: "FINISHED",
    State.FINISHED: "FINISHED",
    State.FAILED: "FAILED",
    State.KILLED: "KILLED",
}
MEGABYTE = 1e6


class Trials:
    """The trials of one study."""

    def __init__(
        self,
        connection: Connection,
        study_id: str,
        experiment_id: str,
        metrics: Sequence[Metric],
        tags: Mapping[str, str],
    ) -> None:
        """`tags` go on every new trial (user, source, git commit)."""
        self._connection, self._study_id, self._experiment_id = connection, study_id, experiment_id
        self._metrics, self._tags = metrics, dict(tags)

    def load(self) -> list[Trial]:
        """All trials, by number, in one paged query.

        Raises:
            StudyError: two runs have one number, which two drivers at once would cause.
        """
        return [trial for trial, _ in self._load()]

    def adopt(self) -> list[Trial]:
        """All trials, for a driver that goes on: what was running is to be trained again."""
        return [self._adopt(trial, run) for trial, run in self._load()]

    def runs(
        self, where: str = "", progress: Callable[[int], None] = lambda count: None
    ) -> list[tuple[Trial, Run]]:
        """Trials, by number, each with its run as MLflow has it, in one paged query.

        Args:
            where: a filter in MLflow's own syntax; empty: all.
            progress: is told how many were read so far.

        Raises:
            StoreError: the filter is none.
        """
        condition = f"tags.`{keys.PARENT}` = '{self._study_id}'" + (f" and {where}" if where else "")
        found = []
        with store_errors(f"where {where!r}" if where else "the tracking store refused"):
            for run in self._connection.runs([self._experiment_id], condition, "attributes.start_time ASC"):
                if keys.NUMBER in run.data.tags:
                    found.append((self._read(run), run))
                    progress(len(found))
        return sorted(found, key=lambda pair: pair[0].number)

    def _load(self) -> list[tuple[Trial, Run]]:
        found = self.runs()
        for (one, _), (other, _) in pairwise(found):
            if one.number == other.number:
                raise StudyError(
                    f"trial {one.number} has two runs, {one.run_id} and {other.run_id}: delete one"
                )
        return found

    def create(
        self,
        number: int,
        config: Mapping[str, Any],
        seed: int,
        start: int = 0,
        source: int | None = None,
        constants: Mapping[str, str] | None = None,
    ) -> Trial:
        """Start a trial's run. All that it is goes into the run at its first moment.

        Args:
            start, source: the epoch and the trial whose checkpoint it begins from, if not afresh.
            constants: params beside its config, instead of the seed.
        """
        own = {
            keys.PARENT: self._study_id,
            keys.NUMBER: str(number),
            keys.STATE: State.RUNNING,
            keys.CONFIG: to_json(dict(config)),
        }
        if source is not None:
            own[keys.SOURCE] = to_json([source, start])
        run = self._connection.client.create_run(
            self._experiment_id, tags=checked(self._tags | own), run_name=f"trial-{number:04d}"
        )
        trial = Trial(number, run.info.run_id, State.RUNNING, dict(config), start=start, source=source)
        try:
            self._connection.write(trial.run_id, params=_params(trial, seed, constants))
        except BaseException:  # nobody else knows of the run yet
            with suppress(Exception):
                self._connection.client.set_terminated(trial.run_id, "FAILED")
            raise
        return trial

    def create_beside(
        self, trial: Trial, seed: int, mark: str, name: str, constants: Mapping[str, str] | None = None
    ) -> str:
        """Start a run, beside the trials, in which a trial's config is trained once more; gives its id.

        Args:
            mark: the tag that says what for; it gets the trial's number.
            constants: params beside its config, instead of the seed.
        """
        own = {
            keys.PARENT: self._study_id,
            mark: to_json(trial.number),
            keys.CONFIG: to_json(dict(trial.config)),
        }
        run = self._connection.client.create_run(
            self._experiment_id, tags=checked(self._tags | own), run_name=name
        )
        self._connection.write(run.info.run_id, params=_params(trial, seed, constants))
        return str(run.info.run_id)

    def retrained(self) -> dict[int, Trial]:
        """Trials that were trained again with another seed, by their number: as they came out then."""
        found = [
            self._read(run, keys.RETRAINED)
            for run in self._beside(keys.RETRAINED)
            if run.info.status == "FINISHED" and not _is_unrecorded(run)
        ]
        return {trial.number: trial for trial in found}

    def end_retraining(self) -> None:
        """What a process that died left running, or half deleted, is so no more."""
        for run in self._beside(keys.RETRAINED):
            if run.info.status == "RUNNING" or _is_unrecorded(run):
                self._connection.client.set_terminated(run.info.run_id, "KILLED")
            if run.data.tags.get(keys.DROPPED, "").endswith("?"):
                self._empty(run.info.run_id, run.data.tags.get(keys.MODEL, ""), Dropped.ALL)

    def drop_beside(self, but: str = "") -> None:
        """Delete models and checkpoints of the runs beside the trials that have ended.

        Models that are registered stay, and so does all of the run `but`.
        """
        for run in (r for mark in keys.BESIDE for r in self._beside(mark)):
            tags = run.data.tags
            over = run.info.status != "RUNNING" and run.info.run_id != but
            if over and tags.get(keys.DROPPED) != Dropped.ALL:
                self._empty(run.info.run_id, tags.get(keys.MODEL, ""), Dropped.ALL)

    def _beside(self, mark: str) -> list[Run]:
        marked = f"tags.`{keys.PARENT}` = '{self._study_id}' and tags.`{mark}` != ''"
        return list(self._connection.runs([self._experiment_id], marked, "attributes.start_time ASC"))

    def restart(self, trial: Trial, seed: int, constants: Mapping[str, str] | None = None) -> Trial:
        """A unit of a known trial begins: the run goes on."""
        self._connection.client.update_run(trial.run_id, status="RUNNING")
        tags = {keys.STATE: State.RUNNING.value, keys.REASON: "", keys.NOTE: ""}
        self._connection.write(trial.run_id, params=_params(trial, seed, constants), tags=tags)
        return replace(trial, state=State.RUNNING, reason="")

    def record(self, trial: Trial, result: Result) -> Trial:
        """Records a unit that ended well: its results, after its checkpoint was stored, and what it used."""
        results = joined(trial.results, losses_of(result.values, self._metrics))
        seconds, dropped = trial.seconds + result.seconds, trial.dropped
        trial = replace(
            trial,
            results=results,
            seconds=seconds,
            state=result.state,
            reason=result.reason,
            model_uri=result.model_uri or trial.model_uri,  # not every unit logs one
            ended_itself=result.ended_itself,
            dropped=Dropped.NOTHING,
        )
        used = {
            keys.WALL_SECONDS: seconds,
            keys.CPU_SECONDS: result.cpu_seconds,
            keys.PEAK_MEMORY: result.peak_memory_bytes / MEGABYTE,
        }
        if result.gpu_memory_bytes is not None:
            used[keys.GPU_MEMORY] = result.gpu_memory_bytes / MEGABYTE
        tags = {
            **results_tags(results, self._metrics),
            keys.SECONDS: repr(seconds),
            keys.MODEL: trial.model_uri,
            keys.STATE: str(trial.state),
        }
        if dropped:
            tags[keys.DROPPED] = ""
        if trial.reason:
            tags |= {keys.REASON: trial.reason, keys.NOTE: f"**{trial.state}**: {trial.reason}"}
        if trial.ended_itself:
            tags[keys.ENDED_ITSELF] = "true"
        self._connection.write(trial.run_id, metrics=used, step=trial.epochs, tags=tags)
        self._terminate(trial)
        return trial

    def end(self, trial: Trial, state: State, reason: str, traceback: str = "") -> Trial:
        """A unit ended otherwise: why, as a status and words a person can read."""
        trial = replace(trial, state=state, reason=reason)
        note = f"**{state}**: {reason}" + (f"\n\n```\n{traceback[-6000:]}\n```" if traceback else "")
        tags = {keys.STATE: str(state), keys.REASON: reason[: keys.MAX_TAG], keys.NOTE: note[: keys.MAX_TAG]}
        self._connection.write(trial.run_id, tags=tags)
        self._terminate(trial)
        if traceback:
            self._connection.client.log_text(trial.run_id, traceback, keys.TRACEBACK_FILE)
        return trial

    def drop(self, trial: Trial, what: Dropped) -> Trial:
        """Delete a trial's models and, where all is to go, its checkpoints; its run stays.

        What is begun is marked, so that whoever drives the study after a kill ends it. Models that are
        registered stay.
        """
        uri = self._empty(trial.run_id, trial.model_uri, what)
        return replace(trial, dropped=what, model_uri=uri)

    def _empty(self, run_id: str, uri: str, what: Dropped) -> str:
        """Gives the model's URI where it stays."""
        self._connection.write(run_id, tags={keys.DROPPED: f"{what}?"})
        kept = delete_models(self._connection, self._experiment_id, run_id)
        if what is Dropped.ALL:
            delete_artifacts(self._connection, run_id, keys.CHECKPOINTS)
        uri = uri if uri in kept else ""
        self._connection.write(run_id, tags={keys.DROPPED: str(what), keys.MODEL: uri})
        return uri

    def drop_superseded(self, trial: Trial) -> None:
        """Delete the models of a trial that are not its newest."""
        delete_models(self._connection, self._experiment_id, trial.run_id, but=trial.model_uri)

    def _adopt(self, trial: Trial, run: Run) -> Trial:
        if run.data.tags.get(keys.DROPPED, "").endswith("?"):
            trial = self.drop(trial, trial.dropped)
        if trial.state is State.RUNNING:
            return self.end(trial, State.KILLED, "its process ended without a word")
        if (
            trial.is_over and run.info.status == "RUNNING"
        ):  # the driver died between the record and the status
            self._terminate(trial)
        return trial

    def _terminate(self, trial: Trial) -> None:
        if trial.state is State.PAUSED:
            self._connection.client.update_run(trial.run_id, status=STATUS[trial.state])
        elif trial.state in STATUS:
            self._connection.client.set_terminated(trial.run_id, STATUS[trial.state])

    def _read(self, run: Run, number: str = keys.NUMBER) -> Trial:
        tags = run.data.tags
        source, start = json.loads(tags.get(keys.SOURCE, "[null, 0]"))
        return Trial(
            number=int(tags[number]),
            run_id=run.info.run_id,
            state=State(tags[keys.STATE]),
            config=json.loads(tags[keys.CONFIG]),
            results=read_results(tags, self._metrics),
            seconds=float(tags.get(keys.SECONDS, 0)),
            reason=tags.get(keys.REASON, ""),
            model_uri=tags.get(keys.MODEL, ""),
            start=start,
            source=source,
            ended_itself=keys.ENDED_ITSELF in tags,
            dropped=Dropped(tags.get(keys.DROPPED, "").rstrip("?")),
        )


def _is_unrecorded(run: Run) -> bool:
    """Whether the user's own MLflow calls ended the run of a training whose driver then died."""
    return bool(run.info.status == "FINISHED" and keys.STATE not in run.data.tags)


def _params(trial: Trial, seed: int, constants: Mapping[str, str] | None = None) -> dict[str, Any]:
    beside = {keys.SEED_PARAM: seed} if constants is None else constants
    return {**beside, **trial.config}
