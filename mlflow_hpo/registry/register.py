"""The request of a study's best model into MLflow's registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mlflow_hpo.errors import GateError, StoreError, StudyError
from mlflow_hpo.metric import best
from mlflow_hpo.registry.candidates import Candidate, Say, candidates, is_retrained, top
from mlflow_hpo.registry.champion import holder
from mlflow_hpo.registry.extra_runs import FinalTraining, train_final
from mlflow_hpo.registry.gate import Challenger, Verdict, verdict
from mlflow_hpo.registry.testing import tested
from mlflow_hpo.registry.versions import Entry, new_version
from mlflow_hpo.report import next_commands, summary
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import check_registration
from mlflow_hpo.store import StudyRun, store_errors
from mlflow_hpo.store.registrations import Registration, with_registration
from mlflow_hpo.trial import Trial
from mlflow_hpo.worker.dispatch import Dispatcher


@dataclass(frozen=True)
class RegistrationRequest:
    """How a model is to be registered.

    Attributes:
        force: move the alias whatever the comparison says; what it says is recorded.
        dry_run: only say what would happen.
    """

    name: str
    alias: str
    force: bool = False
    dry_run: bool = False


def check_registrable(run: StudyRun, trials: Sequence[Trial]) -> Trial:
    """The best trial.

    Raises:
        StudyError: no trial finished, or the best one has no model.
    """
    winner = best(trials)
    if winner is None:
        raise StudyError(f"study {run.name} ({run.run_id}) has no finished trial: nothing to register")
    if not winner.model_uri and not winner.dropped:
        raise StudyError(
            f"trial {winner.number}, the best, logged no model: nothing to register; trial.log_model logs one"
        )
    return winner


def register(
    dispatcher: Dispatcher, trials: Sequence[Trial], request: RegistrationRequest, say: Say
) -> Registration | None:
    """Make the study's best model a version of `request.name`, if it is better than the one with the alias.

    The best trials are trained again with other seeds, each is scored once on the test part, and the one
    with the best mean on validation goes to the gate (see `verdict`). Where that lets it through it becomes a
    version, and the alias moves to it.

    Args:
        say: is told what happens, line by line.

    Returns:
        The new version; None of a dry run.

    Raises:
        ConfigError: the name or the alias is not valid.
        StudyError: no trial finished, or the best one has no model.
        GateError: it is not better, or cannot be compared; nothing was changed in the registry.
    """
    run, info = dispatcher.run, dispatcher.info
    check_registration(request.name, request.alias)
    check_registrable(run, trials)
    ranked = candidates(dispatcher, trials, not request.dry_run, say)
    if any(c.again for c in ranked):
        say(f"{info.metric.name} over their seeds: {'; '.join(c.shown(info) for c in ranked)}")
    winner = ranked[0]
    models = _models(dispatcher, ranked, request)
    if info.settings.wants_final and not request.dry_run:
        say(f"trained trial {models[0].trial} on all rows: {models[0].uri}")
    model = tested(dispatcher, models, keep=not request.dry_run)
    champion = holder(run.connection, request.name, request.alias)  # not before: training may take hours
    new = Challenger(model.model.uri, winner.trial.number, info.metric.value(winner.loss), model.evaluation)
    found = verdict(new, champion, dispatcher)
    if found.note:
        say(found.note)
    if request.dry_run:
        _foretell(info, trials, ranked, request, found, say)
        return None
    if not found.moves and not request.force:
        _over(run, info, trials, Registration(request.name, request.alias, new.trial, found.why), say)
        raise GateError(_refusal(run, info, request, new, champion, found))
    entry = Entry(run, info, trials, model, new, champion, found)
    return _over(run, info, trials, new_version(entry, request.name, request.alias), say)


def _over(
    run: StudyRun, info: StudyInfo, trials: Sequence[Trial], registration: Registration, say: Say
) -> Registration:
    """Keep with the study how it came out, and delete the models that are needed no more.

    The newest final training's model is kept, registered or not: it is the study's own.
    """
    registrations = with_registration(run.registrations, registration)
    run.keep_registrations(registrations, summary.describe(info, run.run_id, trials, registrations))
    if info.settings.kept_models is not None:
        final = run.final
        try:
            with store_errors():
                run.extra_runs.drop(but=final[1] if final else "")
        except StoreError as error:  # which takes back nothing of what was registered
            say(str(error))
    return registration


def _models(
    dispatcher: Dispatcher, ranked: Sequence[Candidate], request: RegistrationRequest
) -> list[FinalTraining]:
    """What is scored; the first is registered: the winner's better model, or its final training's."""
    if dispatcher.info.settings.wants_final and not request.dry_run:
        return [train_final(dispatcher, ranked[0].trial)]
    return [FinalTraining(c.trial.number, c.model.run_id, c.model.model_uri) for c in ranked if c.has_model]


def _refusal(
    run: StudyRun,
    info: StudyInfo,
    request: RegistrationRequest,
    new: Challenger,
    champion: ModelVersion | None,
    found: Verdict,
) -> str:
    command = next_commands.register_command(info, run.run_id, request.name, request.alias, force=True)
    stays = f"version {champion.version} keeps" if champion else "nobody gets"
    return (
        f"{request.name}: {stays} the alias {request.alias}, and trial {new.trial} of study {run.name} "
        f"is not registered: {found.why}; {command} registers it all the same"
    )


def _foretell(
    info: StudyInfo,
    trials: Sequence[Trial],
    ranked: Sequence[Candidate],
    request: RegistrationRequest,
    found: Verdict,
    say: Say,
) -> None:
    known = {c.trial.number for c in ranked if c.again}
    missing = [str(t.number) for t in top(info, trials) if t.number not in known]
    if is_retrained(info) and missing:
        say(
            f"would train trials {', '.join(missing)} again with other seeds first, which may change the rest"
        )
    if info.settings.wants_final:
        say(f"would train trial {ranked[0].trial.number} on all rows, and register that model")
    does = "would" if found.moves or request.force else "would not"
    forced = " by --force" if request.force and not found.moves else ""
    place = f"{request.name}@{request.alias}{forced}"
    say(f"{does} register trial {ranked[0].trial.number} as {place}: {found.why}")
