"""Registers a study's best model, step by step: candidates, test, gate, version."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow_hpo.errors import GateError, StoreError, StudyError
from mlflow_hpo.registry.candidates import Candidate, Say, candidates, top, trains_again
from mlflow_hpo.registry.extra_runs import train_final
from mlflow_hpo.registry.gate import champion_of, judge
from mlflow_hpo.registry.loading import loaded_once
from mlflow_hpo.registry.testing import Challenger, tested
from mlflow_hpo.registry.verdict import Verdict
from mlflow_hpo.registry.versions import new_version
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import values_of
from mlflow_hpo.report.winner import winner as winner_of
from mlflow_hpo.store import StudyRun, check_registration, store_errors
from mlflow_hpo.store.registrations import Registration, with_registration
from mlflow_hpo.trial import Trial
from mlflow_hpo.worker.dispatch import Dispatcher


@dataclass(frozen=True)
class RegistrationRequest:
    """A request to register a study's best model.

    Attributes:
        force: move the alias whatever the comparison says; its result is recorded.
        dry_run: only say what would happen.
    """

    name: str
    alias: str
    force: bool = False
    dry_run: bool = False


def check_registrable(run: StudyRun, info: StudyInfo, trials: Sequence[Trial]) -> None:
    """Checks that a study has a model to register.

    Raises:
        StudyError: no trial finished, or the best one has no model.
    """
    winner = winner_of(info, trials)
    if winner and winner.violation():
        bounds = " and ".join(constraint.text for constraint in info.constraints)
        raise StudyError(f"no trial keeps to {bounds}: nothing is registered")
    if winner is None:
        raise StudyError(f"study {run.name} ({run.run_id}) has no finished trial: nothing to register")
    if not winner.model_uri and not winner.dropped:
        raise StudyError(
            f"trial {winner.number}, the best, logged no model: nothing to register; "
            "trial.log_model or MLflow logs one"
        )


def register(
    dispatcher: Dispatcher, trials: Sequence[Trial], request: RegistrationRequest, say: Say
) -> Registration | None:
    """Makes the study's best model a version of `request.name` if it is better than the champion.

    The best trials are trained again with other seeds, each is scored once on the test part, and the one
    with the best mean on validation goes to the gate (see `judge`). If the gate lets it through, it becomes a
    version, and the alias moves to it.

    Args:
        say: gets each line of what happens.

    Returns:
        The new version; None for a dry run.

    Raises:
        ConfigError: the name or the alias is not valid.
        StudyError: no trial finished, or the best one has no model.
        GateError: the model is not better, or cannot be loaded or compared; the registry is as it was.
    """
    check_registration(request.name, request.alias)
    check_registrable(dispatcher.run, dispatcher.info, trials)
    return _Attempt(dispatcher, trials, request, say).run()


@dataclass(frozen=True)
class _Attempt:
    """One attempt to register: its steps, in order."""

    dispatcher: Dispatcher
    trials: Sequence[Trial]
    request: RegistrationRequest
    say: Say

    def run(self) -> Registration | None:
        if not self.request.dry_run:
            self.dispatcher.run.extra_runs.end_abandoned()
        ranked = candidates(self.dispatcher, self.trials, not self.request.dry_run, self.say)
        if any(c.retrained for c in ranked):
            values = "; ".join(c.text(self.dispatcher.info) for c in ranked)
            self.say(f"{self.dispatcher.info.metric.name} over their seeds: {values}")
        challengers = self._challengers(ranked)
        with loaded_once(self.dispatcher, challengers[0], keeps=not self.request.dry_run) as failure:
            challenger = tested(self.dispatcher, challengers, logs=not self.request.dry_run)
            self._check_loaded(challenger, failure())
        verdict = self._verdict(challenger)
        if self.request.dry_run:
            self._say_plan(ranked, verdict)
            return None
        if not verdict.moves and not self.request.force:
            raise self._refusal(challenger, verdict)
        name, alias = self.request.name, self.request.alias
        self.dispatcher.run.check_lease()  # another process may have taken the study during the training
        version = new_version(self.dispatcher, self.trials, challenger, verdict, name, alias)
        self._record(version)
        return version

    def _check_loaded(self, challenger: Challenger, failure: str) -> None:
        """Refuses a model that cannot be loaded, forced or not: nobody could serve it."""
        if not failure:
            return
        if not self.request.dry_run:
            self._record(Registration(self.request.name, self.request.alias, challenger.trial, failure))
        raise GateError(f"{self.request.name}: nothing is registered: {failure}")

    def _challengers(self, ranked: Sequence[Candidate]) -> list[Challenger]:
        """Returns the models to score, first the one to register: the winner's, or its final training's."""
        info, winner = self.dispatcher.info, ranked[0]
        if info.settings.wants_final and not self.request.dry_run:
            final = train_final(self.dispatcher, winner.trial)
            self.say(f"trained trial {final.trial} on all rows: {final.model_uri}")
            reached = {info.metric.name: info.metric.value(winner.loss)}
            values = values_of(winner.trial, info.metrics) | reached
            return [Challenger(final.trial, final.run_id, final.model_uri, values)]
        return [
            Challenger(
                c.trial.number,
                c.model.run_id,
                c.model.model_uri,
                values_of(c.trial, info.metrics) | {info.metric.name: info.metric.value(c.loss)},
            )
            for c in ranked
            if c.model
        ]

    def _verdict(self, challenger: Challenger) -> Verdict:
        """Asks the gate; looks up the champion only now, as another may have come during the training."""
        champion = champion_of(self.dispatcher.run.connection, self.request.name, self.request.alias)
        verdict = judge(challenger, champion, self.dispatcher)
        if verdict.note:
            self.say(verdict.note)
        return verdict

    def _say_plan(self, ranked: Sequence[Candidate], verdict: Verdict) -> None:
        """Says what would happen without a dry run."""
        info, number = self.dispatcher.info, ranked[0].trial.number
        retrained = {c.trial.number for c in ranked if c.retrained}
        missing = [str(t.number) for t in top(info, self.trials) if t.number not in retrained]
        if trains_again(info) and missing:
            trains = f"would train trials {', '.join(missing)} again with other seeds first"
            self.say(f"{trains}, which may change the rest")
        if info.settings.wants_final:
            self.say(f"would train trial {number} on all rows, and register that model")
        would = "would" if verdict.moves or self.request.force else "would not"
        forced = " by --force" if self.request.force and not verdict.moves else ""
        name = f"{self.request.name}@{self.request.alias}{forced}"
        self.say(f"{would} register trial {number} as {name}: {verdict.why}")

    def _refusal(self, challenger: Challenger, verdict: Verdict) -> GateError:
        """Records that the gate refused the challenger; returns the error that says so."""
        run, name, alias = self.dispatcher.run, self.request.name, self.request.alias
        self._record(Registration(name, alias, challenger.trial, verdict.why))
        command = next_commands.register_command(self.dispatcher.info, run.run_id, name, alias, force=True)
        stays = f"version {verdict.champion.version} keeps" if verdict.champion else "nobody gets"
        return GateError(
            f"{name}: {stays} the alias {alias}, and trial {challenger.trial} of study {run.name} "
            f"is not registered: {verdict.why}; {command} registers it all the same"
        )

    def _record(self, registration: Registration) -> None:
        """Records the outcome with the study, and deletes the models that are no longer needed.

        The newest final training's model is kept, registered or not: it is the study's own.
        """
        run, info = self.dispatcher.run, self.dispatcher.info
        registrations = with_registration(run.registrations, registration)
        note = summary.describe(info, run.run_id, self.trials, registrations, run.loads.values())
        run.keep_registrations(registrations, note)
        if info.settings.kept_models is None:
            return
        final = run.final
        try:
            with store_errors():
                run.extra_runs.drop(but=final.run_id if final else "")
        except StoreError as error:  # the registration stands all the same
            self.say(str(error))
