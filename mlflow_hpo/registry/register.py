"""The way of a study's best model into MLflow's registry."""

from collections.abc import Sequence
from dataclasses import dataclass

from mlflow.entities.model_registry import ModelVersion

from mlflow_hpo.errors import GateError, StoreError, StudyError
from mlflow_hpo.execution.executor import Executor
from mlflow_hpo.fields import check_registration
from mlflow_hpo.registry.candidates import Candidate, Say, candidates, is_retrained, top
from mlflow_hpo.registry.champion import holder
from mlflow_hpo.registry.final import Final, train_final
from mlflow_hpo.registry.gate import Challenger, Verdict, verdict
from mlflow_hpo.registry.testing import tested
from mlflow_hpo.registry.versions import Entry, new_version
from mlflow_hpo.report import summary
from mlflow_hpo.settings import Settings
from mlflow_hpo.store import StudyRun, store_errors
from mlflow_hpo.store.registrations import Registration, with_registration
from mlflow_hpo.trial import Trial, best
from mlflow_hpo.worker.dispatch import make_task


@dataclass(frozen=True)
class Way:
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
    run: StudyRun, settings: Settings, trials: Sequence[Trial], way: Way, executor: Executor, say: Say
) -> Registration | None:
    """Make the study's best model a version of `way.name`, if it is better than the one with the alias.

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
    check_registration(way.name, way.alias)
    check_registrable(run, trials)
    ranked = candidates(run, settings, trials, None if way.dry_run else executor, say)
    if any(c.again for c in ranked):
        say(f"{settings.metric} over their seeds: {'; '.join(c.shown(settings) for c in ranked)}")
    winner = ranked[0]
    models = _models(run, settings, ranked, way, executor)
    if settings.wants_final and not way.dry_run:
        say(models[0].said)
    model = tested(run, settings, models, executor, keep=not way.dry_run)
    champion = holder(run.connection, way.name, way.alias)  # not before: training may take hours
    new = Challenger(model.model.uri, winner.trial.number, settings.value(winner.loss), model.evaluation)
    found = verdict(new, champion, settings, make_task(settings, run), executor)
    if found.note:
        say(found.note)
    if way.dry_run:
        _foretell(settings, trials, ranked, way, found, say)
        return None
    if not found.moves and not way.force:
        _over(run, settings, trials, Registration(way.name, way.alias, new.trial, found.why), say)
        raise GateError(_refusal(run, settings, way, new, champion, found))
    entry = Entry(run, settings, trials, model, new, champion, found)
    return _over(run, settings, trials, new_version(entry, way.name, way.alias), say)


def _over(
    run: StudyRun, settings: Settings, trials: Sequence[Trial], registration: Registration, say: Say
) -> Registration:
    """Keep with the study how it came out, and delete the models that are needed no more.

    The newest final training's model is kept, registered or not: it is the study's own.
    """
    registrations = with_registration(run.registrations, registration)
    run.keep_registrations(registrations, summary.describe(settings, run.run_id, trials, registrations))
    if settings.kept_models is not None:
        final = run.final
        try:
            with store_errors():
                run.trials.drop_beside(but=final[1] if final else "")
        except StoreError as error:  # which takes back nothing of what was registered
            say(str(error))
    return registration


def _models(
    run: StudyRun, settings: Settings, ranked: Sequence[Candidate], way: Way, executor: Executor
) -> list[Final]:
    """What is scored; the first is registered: the winner's better model, or its final training's."""
    if settings.wants_final and not way.dry_run:
        return [train_final(run, settings, ranked[0].trial, executor)]
    return [Final(c.trial.number, c.model.run_id, c.model.model_uri) for c in ranked if c.has_model]


def _refusal(
    run: StudyRun,
    settings: Settings,
    way: Way,
    new: Challenger,
    champion: ModelVersion | None,
    found: Verdict,
) -> str:
    command = summary.register_command(settings, run.run_id, way.name, way.alias, force=True)
    stays = f"version {champion.version} keeps" if champion else "nobody gets"
    return (
        f"{way.name}: {stays} the alias {way.alias}, and trial {new.trial} of study {run.name} is not "
        f"registered: {found.why}; {command} registers it all the same"
    )


def _foretell(
    settings: Settings,
    trials: Sequence[Trial],
    ranked: Sequence[Candidate],
    way: Way,
    found: Verdict,
    say: Say,
) -> None:
    known = {c.trial.number for c in ranked if c.again}
    missing = [str(t.number) for t in top(settings, trials) if t.number not in known]
    if is_retrained(settings) and missing:
        say(
            f"would train trials {', '.join(missing)} again with other seeds first, which may change the rest"
        )
    if settings.wants_final:
        say(f"would train trial {ranked[0].trial.number} on all rows, and register that model")
    does = "would" if found.moves or way.force else "would not"
    forced = " by --force" if way.force and not found.moves else ""
    say(f"{does} register trial {ranked[0].trial.number} as {way.name}@{way.alias}{forced}: {found.why}")
