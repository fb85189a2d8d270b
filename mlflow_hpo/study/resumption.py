"""Goes on with a study as it began: which settings may change, and what Python gave it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from mlflow_hpo.errors import StudyError, without_passwords
from mlflow_hpo.report.next_commands import resume_command
from mlflow_hpo.report.study_info import StudyInfo, info_of, worker_count
from mlflow_hpo.settings import LOCAL, RESUMABLE, Settings, read_settings
from mlflow_hpo.space import Space, changed, dump_space, load_space, parse_space
from mlflow_hpo.store import StudyRun
from mlflow_hpo.study.setup import StudyPlan
from mlflow_hpo.study.source import Given, find_source, start_text_of
from mlflow_hpo.study.workers import study_workers
from mlflow_hpo.worker.dispatch import Dispatcher

DERIVED = ("metric", "max_epochs", "commit", "data_digest")  # these follow from the model and the data
ANY_GPUS = {"trial_gpus": None}  # where a study goes on for a moment: this machine may have others, or none
HERE = ANY_GPUS | {"executor": LOCAL, "workers": "auto", "trial_cpus": None}  # and not its cluster
FILES = ("space", "start_from")  # settings whose files count, not their names


def resumed_settings(run: StudyRun, options: Mapping[str, Any]) -> Settings:
    """Returns a study's settings with those that are given another value.

    Args:
        options: None: as it was. A value that a setting had only because it was left open may be given.

    Raises:
        StudyError: an option would change the trials there are.
    """
    info = info_of(run)
    asked = {name: value for name, value in options.items() if value is not None}
    if "project" in asked:  # its address with the password, which is not stored
        if not info.settings.project:
            raise StudyError(f"study {run.run_id} tunes no project, but model {info.model!r}")
        asked["project"] = {**info.settings.project.model_dump(), "uri": asked["project"]}
    return _merged(run, info, read_settings({**run.settings, **asked}))


def _merged(run: StudyRun, info: StudyInfo, new: Settings) -> Settings:
    before, after, filled = info.settings.dump(), new.dump(), info.params()
    kept = {}
    for name, value in after.items():
        by_content = name in FILES and (before[name] or name == "space")
        if name in RESUMABLE or by_content or value == before[name]:
            continue
        if without_passwords(str(value)) != str(filled[name]):
            raise StudyError(
                f"study {run.run_id} began with {name} {filled[name]!r}, not {value!r}: "
                f"a resume may change {', '.join(RESUMABLE)}"
            )
        if name != "project" and without_passwords(str(value)) != str(before[name]):
            kept[name] = before[name]  # else it has the password, which is not stored
    return read_settings({**after, **{name: before[name] for name in FILES}, **kept})


def given_again(run: StudyRun, settings: Settings, options: Mapping[str, Any], given: Given) -> Given:
    """Returns what the plan of a resumed study takes: what the study has kept, and what is given again.

    Raises:
        StudyError: another space or other configs are given; or data that were not kept are not given.
    """
    info = info_of(run)
    space_text, start_text = _recorded_texts(run, info)
    if options.get("space"):
        check_same_space(run, load_space(options["space"])[0], options["space"])
    elif given.space_text:
        check_same_space(run, parse_space(given.space_text, "space"), "the one given now")
    again = given.start_text or (options.get("start_from") and start_text_of(options["start_from"]))
    if again and again != start_text:
        raise StudyError(
            f"study {run.run_id} began with other configs than {options['start_from']} holds now"
        )
    kept = recorded_contents(run, info, given)
    return replace(kept, space_text=space_text, start_text=start_text, record=info)


def _recorded_texts(run: StudyRun, info: StudyInfo) -> tuple[str, str]:
    """Returns the space and the configs to try first, as they were when the study began."""
    return run.artifacts.space_text, run.artifacts.start_text if info.settings.start_from else ""


def recorded_contents(run: StudyRun, info: StudyInfo, given: Given) -> Given:
    """Returns code and data as they are given again, or lays those that the study has kept into the folder.

    Raises:
        StudyError: they were not kept, or are gone.
    """
    code, data = given.code or info.code, given.data or info.data_content
    scorer, options = given.scorer or info.scorer, given.options or info.options
    callbacks, splits = given.callbacks or info.callbacks, given.splits or info.splits
    if splits != info.splits:
        raise StudyError(f"study {run.run_id} began with other folds than those given now")
    again = {given.code, given.scorer, given.callbacks, given.options, given.splits}
    for digest in {code, scorer, callbacks, options, splits} - again - {""}:
        run.artifacts.fetch_content(digest, given.folder)
    if data and not given.data:
        if not info.settings.keep_data:
            raise StudyError(
                f"study {run.run_id} was begun with data from Python, which are to be given again: "
                f"{resume_command(info, run.run_id)}; keep_data=true keeps them with the study"
            )
        run.artifacts.fetch_content(data, given.folder)
    given = replace(given, code=code, data=data, scorer=scorer, callbacks=callbacks)
    return replace(given, options=options, splits=splits)


def check_same(run: StudyRun, settings: Settings, planned: StudyPlan) -> StudyInfo:
    """Checks that a search into a run that is a study already asks for the same study; returns its record.

    Raises:
        StudyError: it does not.
    """
    info = info_of(run)
    _merged(run, info, settings)
    check_same_space(run, planned.space, settings.space or f"that of model {planned.info.model!r}")
    if settings.start_from and planned.start_text != run.artifacts.start_text:
        raise StudyError(f"study {run.run_id} began with other configs than {settings.start_from} holds now")
    before, now = ({**each.record(), **each.params()} for each in (info, planned.info))
    for name in DERIVED:
        if before[name] != now[name]:
            raise StudyError(
                f"study {run.run_id} began with {name} {before[name]!r}, and it would be {now[name]!r} now: "
                f"{resume_command(info, run.run_id)} goes on as it began"
            )
    return info


def check_same_space(run: StudyRun, space: Space, source: str) -> None:
    """Raises StudyError if the space, which `source` names, is not that of the study, or a part of it."""
    text = run.artifacts.space_text.strip()  # empty: the objective asks for its hyperparameters
    kept = parse_space(text or "{}", "space")
    is_part = space.names() <= kept.names() and dump_space(changed(kept, space)) == dump_space(kept)
    if dump_space(space) != dump_space(kept) and not (space.names() and is_part):
        raise StudyError(f"study {run.run_id} began with another space than {source}")


@contextmanager
def recorded_workers(run: StudyRun, info: StudyInfo, given: Given, count: int) -> Iterator[Dispatcher]:
    """Starts workers here for a study that is not driven now: to register its best, or to replay a trial.

    Raises:
        HpoError: what the study trains cannot be had any more.
    """
    space_text, start_text = _recorded_texts(run, info)
    given = recorded_contents(run, info, given)
    given = replace(given, space_text=space_text, start_text=start_text, record=info)
    settings = info.settings.model_copy(update=HERE if info.settings.executor != LOCAL else ANY_GPUS)
    source = find_source(settings, given)
    spec = replace(source.spec, metric=info.metric)
    count = min(count, worker_count(settings, info.max_trials))
    with study_workers(spec, count, given.folder, settings.trial_cpus) as executor:
        yield Dispatcher(run, info, spec, executor)
