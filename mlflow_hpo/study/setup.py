"""Makes the plan of a study: everything that follows from its settings, in four steps.

1 source       a built-in model, the user's code or a project; checked as far as nothing is loaded
2 description  of the model and the data: from a table, or by a worker that loads them
3 space        parsed once
4 the rest     what was left open is filled in, and what does not fit is refused
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from mlflow_hpo.algorithms import GRID, Algorithm, algorithm, grid_size, is_on_grid
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.spec import DataInfo, ObjectiveSpec
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.settings import ALL, Settings
from mlflow_hpo.space import Space, changed, check_where, dump_space, parse_given, parse_space, same
from mlflow_hpo.study import checks, metrics
from mlflow_hpo.study.source import OF_RUN, Given, Source, find_source
from mlflow_hpo.trial import Config, Trial

FALLBACK_METRIC = "loss"


class Inspector(Protocol):
    """Answers what a plan must ask: of a worker about the user's model, of the store about another study."""

    def describe(self, spec: ObjectiveSpec, name: str) -> tuple[ModelInfo, DataInfo]:
        """Loads the model and the data; `name` is how the model is to be named."""

    def start(self, spec: ObjectiveSpec, count: int) -> None:
        """Begins to start so many workers, unless they were; does not wait for them."""

    def dry_run(self, spec: ObjectiveSpec, config: Config, epochs: int) -> tuple[str, ...] | None:
        """Tries a config on a few rows; returns the metrics that training reports, None if it cannot tell."""

    def earlier_trials(self, info: StudyInfo, space: Space) -> tuple[str, list[Trial]]:
        """Returns the run id of the study that `warm_start` names, and its trials that fit this one."""


@dataclass(frozen=True)
class StudyPlan:
    """All that follows from the settings, the model, the data and the space; made once.

    Attributes:
        first: configs to try after the baseline, before the algorithm proposes any.
        asks: the objective asks for its hyperparameters as it runs; `space` is empty.
        earlier: the trials of another study that inform the algorithm, with numbers below 0.
        metric_is_sure: training is known to report the metric.
        space_text, start_text: the space and the configs to try first, as they were written.
        tags: of the study's run.
    """

    info: StudyInfo
    spec: ObjectiveSpec
    model: ModelInfo
    space: Space
    algorithm: Algorithm
    first: Sequence[Config]
    asks: bool = False
    earlier: Sequence[Trial] = ()
    metric_is_sure: bool = True
    space_text: str = ""
    start_text: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def plan(settings: Settings, given: Given, inspector: Inspector) -> StudyPlan:
    """Makes the plan of a study.

    Raises:
        HpoError: something cannot be had, or does not fit.
    """
    source = find_source(settings, given)
    model, data = inspector.describe(source.spec, source.name)
    space = whole_space(source, given, model)
    asks = model.asks and source.space is None
    if asks:
        checks.check_without_space(settings)
    check_where(space)
    first = _first_configs(settings, source, model, space)
    count = settings.most_trials if asks else _trial_count(settings, model, space, first)
    info = _filled_in(settings, given, source, model, data, space, count)
    checks.check_same_data(info, given.record)
    checks.check_fit(info, model, space)
    if not given.record:  # a resume may end a study earlier
        checks.check_room(info, len(first))
    spec = replace(source.spec, metric=info.metric, at_best=info.at_best)
    if data.rows:  # of a stream, which other workers need not count again
        spec = replace(spec, data=replace(spec.data, known=(data.classes, data.rows, data.digest)))
    inspector.start(spec, info.worker_count)  # before the algorithm, whose libraries take long to import
    proposes = algorithm(settings.algorithm, settings.grid_points, settings.seed)
    if not asks:
        proposes.check(space)
    made = StudyPlan(
        info=info,
        spec=spec,
        model=model,
        space=space,
        algorithm=proposes,
        first=first,
        asks=asks,
        space_text="" if asks else _text(source, model, space),
        start_text=source.start_text,
        tags=source.tags,
    )
    return _informed(_tried(made, given, inspector), inspector)


def _text(source: Source, model: ModelInfo, space: Space) -> str:
    return dump_space(space) if model.completes_space else source.space_text or model.space_text or "{}"


def whole_space(source: Source, given: Given, model: ModelInfo) -> Space:
    """Returns the space that was given, the model's own, or the model's with what was given in its place."""
    if model.asks and source.space is None:  # it asks as it runs
        return Space({})
    if source.space and (given.record or not (model.completes_space and model.space_text)):
        return source.space
    if not source.space and not model.space_text and model.takes is None:
        raise ConfigError(f"space: model {source.name!r} brings none: give its hyperparameters")
    own = parse_space(model.space_text, f"{source.name}.yaml") if model.space_text else Space({})
    if not source.space:
        return own
    model.check(source.space)
    return changed(own, source.space)


def _filled_in(
    settings: Settings,
    given: Given,
    source: Source,
    model: ModelInfo,
    data: DataInfo,
    space: Space,
    max_trials: int,
) -> StudyInfo:
    """Fills in what the settings leave open: the metric, and the epochs of a fully trained trial.

    A study that goes on keeps both, so that its trials stay comparable if the code has others by now.
    """
    if model.needs_data and not data.task:
        raise ConfigError(f"data: model {model.name!r} is trained on data: name a data set")
    if settings.wants_final and data.apart:
        raise ConfigError(data.apart)
    record, named = given.record, metrics.ordered(metrics.asked(settings))
    named = named or [(model.metric.get(data.task, FALLBACK_METRIC), settings.direction)]
    if not data.validates:
        metrics.check_without_validation([name for name, _ in named], is_stream=data.rows > 0)
    return StudyInfo(
        settings=settings,
        metrics=record.metrics if record else tuple(metrics.presumed_metric(*one) for one in named),
        max_epochs=record.max_epochs if record else _max_epochs(settings, source, model, space),
        max_trials=max_trials,
        at_best=record.at_best if record else _is_best_counted(settings, model),
        data=source.data,
        code=given.code,
        data_content=given.data,
        scorer=given.scorer,
        callbacks=given.callbacks,
        options=given.options,
        splits=given.splits,
        data_digest=data.digest if given.data else "",
        commit=source.commit,
        warm_start=record.warm_start if record else "",
    )


def _is_best_counted(settings: Settings, model: ModelInfo) -> bool:
    return settings.at == "best" or (settings.at == "auto" and model.keeps_best)


def _max_epochs(settings: Settings, source: Source, model: ModelInfo, space: Space) -> int:
    """Returns the epochs as given, as many as the space asks for, or the default of the model's kind."""
    if source.project:
        return settings.max_epochs or checks.project_budget(source.project)
    asked = checks.most_epochs(space, model.epochs_param)
    if asked is None:
        return settings.max_epochs or (model.usual_epochs if _has_epochs(settings, model, space) else 1)
    if settings.max_epochs is not None and settings.max_epochs < asked:
        raise ConfigError(
            f"max-epochs: {settings.max_epochs} is below the {asked} epochs that the space asks for"
        )
    return settings.max_epochs or asked


def _has_epochs(settings: Settings, model: ModelInfo, space: Space) -> bool:
    """Tells whether trials are trained by epochs; an objective like Optuna's only if something ends them."""
    if model.asks and not space.parameters:
        return settings.scheduler != "none" or settings.early_stopping is not None
    return model.has_epochs


def _first_configs(settings: Settings, source: Source, model: ModelInfo, space: Space) -> list[Config]:
    """Returns the configs that are given, each once, without the baseline, which is trial 0."""
    configs: list[Config] = [model.baseline(space)]
    if source.start_text:
        name = settings.start_from or "start_from"
        of_run = name.startswith(OF_RUN)
        for config in parse_given(source.start_text, name, space, model.defaults, of_run):
            if not any(same(config, other) for other in configs):
                configs.append(config)
    return configs[1:]


def _trial_count(settings: Settings, model: ModelInfo, space: Space, first: Sequence[Config]) -> int:
    """Returns how many trials there may be: of a grid, at most its points and the first configs off it."""
    if not space.leaves:  # nothing to search: the baseline, and what is to be tried first
        return 1 + len(first)
    if settings.algorithm != GRID:
        return settings.most_trials
    size = grid_size(space, settings.grid_points)
    if settings.max_trials == ALL:
        checks.check_whole_grid(size)
    configs = [model.baseline(space), *first]
    whole = size + sum(not is_on_grid(space, config, settings.grid_points) for config in configs)
    return whole if settings.max_trials == ALL else min(whole, settings.most_trials)


def _tried(plan: StudyPlan, given: Given, inspector: Inspector) -> StudyPlan:
    """Tries the baseline of a user's own model, so that what cannot fit is refused before any trial."""
    if given.record or checks.is_known_study(plan.spec):
        return plan
    if plan.spec.project:  # only a run tells
        return replace(plan, metric_is_sure=False)
    reported = inspector.dry_run(plan.spec, plan.model.baseline(plan.space), plan.info.max_epochs)
    metrics.check_reported(plan.info, plan.model.reports, reported)
    return replace(plan, metric_is_sure=reported is not None)


def _informed(plan: StudyPlan, inspector: Inspector) -> StudyPlan:
    """Adds the trials of the earlier study that `warm_start` names."""
    if not plan.info.settings.warm_start:
        return plan
    run_id, trials = inspector.earlier_trials(plan.info, plan.space)
    return replace(plan, info=replace(plan.info, warm_start=run_id), earlier=tuple(trials))
