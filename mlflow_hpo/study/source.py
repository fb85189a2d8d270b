"""Finds what a study tunes, and refuses what can be told to be wrong before anything is loaded."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.data import DataSpec, check_data
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.models import is_builtin
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import DEFAULT_DATA, Settings
from mlflow_hpo.space import Space, dump_space, load_given, load_space, parse_space, paths_of
from mlflow_hpo.study import checks, metrics
from mlflow_hpo.study.data_spec import data_spec, fetched_content
from mlflow_hpo.study.trust import remember
from mlflow_hpo.user_code import shown_data, shown_name

if TYPE_CHECKING:
    from mlflow_hpo.store import StudyRun


OF_RUN = "runs:/"  # before the id of a run whose config is to be tried first


@dataclass(frozen=True)
class Given:
    """What a plan takes beside the settings: what Python gave, or what a study that goes on has kept.

    Attributes:
        folder: of this study alone, for contents and what is fetched; its caller removes it.
        code, data, scorer, callbacks, options, splits: digests of the model, the data, what computes the
            metric, Keras callbacks, the objects behind the space's words and the folds that Python gave, in
            the folder; empty if it gave none.
        space_text, start_text: the space and the configs to try first, as YAML; empty: as the settings say.
        record: of a study that goes on, what was recorded of its plan.
        client: of a distributed engine, where Python gave one.
    """

    folder: Path
    code: str = ""
    data: str = ""
    scorer: str = ""
    callbacks: str = ""
    options: str = ""
    splits: str = ""
    space_text: str = ""
    start_text: str = ""
    record: StudyInfo | None = None
    client: Any = None


@dataclass(frozen=True)
class Source:
    """What is tuned, before it is loaded.

    Attributes:
        name: how the model is named to people.
        space: the space that was given; None: the model's own.
        tags: of the study's run: where a project came from.
    """

    spec: ObjectiveSpec
    name: str
    data: str
    space: Space | None
    space_text: str
    start_text: str
    project: Prepared | None = None
    commit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def find_source(settings: Settings, given: Given) -> Source:
    """Finds what is tuned, and refuses what can be told to be wrong before anything is loaded."""
    checks.check_asked(settings, given.code, given.data, given.scorer, given.callbacks)
    space, space_text = _given_space(settings, given)
    start_text = given.start_text or start_text_of(settings.start_from)
    if settings.project is not None:
        return _project(settings, given, space, space_text, start_text)
    data = settings.data or (DEFAULT_DATA if is_builtin(settings.model) else "")
    content = given.data or fetched_content(data, given.folder)
    if content and not given.data:
        check_data(data_spec(settings, data, content))
    every_epoch = settings.resource == "auto" and settings.scheduler == "none"
    spec = ObjectiveSpec(
        model=settings.model,
        code=given.code,
        data=data_spec(settings, data, content, given.splits),
        preprocess=settings.preprocess,
        resource="none" if every_epoch else settings.resource,
        metric=metrics.asked_metric(settings),
        others=metrics.other_names(settings),
        returned=metrics.names_as_asked(settings),
        scorer=given.scorer,
        callbacks=settings.callbacks or "",
        callbacks_code=given.callbacks,
        options=given.options,
        paths=tuple(paths_of(space).values()) if space else (),
        folds=settings.folds,
        repeats=settings.repeats,
        early_stopping=settings.early_stopping,
        asks=space is None,
    )
    return Source(spec, shown_name(settings.model), shown_data(data), space, space_text, start_text)


def start_text_of(name: str | None) -> str:
    """Returns the configs to try first as YAML: those of a file, or that of a run of MLflow's."""
    if not name:
        return ""
    if not name.startswith(OF_RUN):
        return load_given(name)
    from mlflow_hpo.store import Connection, config_text_of  # imports MLflow

    return config_text_of(Connection(), name.removeprefix(OF_RUN))


def _given_space(settings: Settings, given: Given) -> tuple[Space | None, str]:
    if given.space_text:
        return parse_space(given.space_text, settings.space or "space"), given.space_text
    return load_space(settings.space) if settings.space else (None, "")


def _project(
    settings: Settings, given: Given, space: Space | None, space_text: str, start_text: str
) -> Source:
    from mlflow_hpo.projects.prepare import commit_of, prepare, source_tags

    assert settings.project is not None
    if space is None:
        raise ConfigError("space: a project brings none: name a YAML file over its entry point's parameters")
    searched = _without(space, settings.project.parameters)
    space_text = space_text if searched is space else dump_space(searched)
    asked = settings.project
    if given.record and given.record.commit:
        asked = asked.model_copy(update={"version": given.record.commit})
    resource = "" if settings.resource == "auto" else settings.resource
    prepared = prepare(asked, searched, resource, given.folder)
    spec = ObjectiveSpec(
        model=asked.name,
        data=DataSpec(""),
        metric=metrics.asked_metric(settings),
        others=metrics.other_names(settings),
        early_stopping=settings.early_stopping,
        project=prepared.text,
    )
    commit = commit_of(prepared, given.folder)
    return Source(
        spec=spec,
        name=asked.name,
        data="",
        space=searched,
        space_text=space_text,
        start_text=start_text,
        project=prepared,
        commit=commit,
        tags=source_tags(asked, prepared),
    )


def _without(space: Space, fixed: Mapping[str, str]) -> Space:
    """Returns the space without the parameters that are fixed."""
    if not space.names() & set(fixed):
        return space
    searched = replace(space, parameters={k: p for k, p in space.parameters.items() if k not in fixed})
    if inner := sorted(searched.names() & set(fixed)):
        raise ConfigError(
            f"space: {inner[0]!r} is below an option of another parameter, and cannot be fixed by -P"
        )
    if not searched.parameters:
        raise ConfigError("space: it has nothing to search beside what -P fixes")
    return searched


def keep_contents(run: "StudyRun", info: StudyInfo, given: Given, before: StudyInfo | None = None) -> None:
    """Keeps code and, if asked to, data that Python gave, and notes for this user what the study runs.

    Args:
        before: the study's record, if it has kept something already.
    """
    kept = {*before.contents, before.data_content} if before else set()
    data = info.data_content if info.settings.keep_data else ""
    for digest in {*info.contents, data} - kept - {""}:
        run.artifacts.keep_content(given.folder / digest)
    remember(run.run_id, info)
