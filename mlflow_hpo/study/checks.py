"""Refuses settings that cannot work, each with one line that says what would."""

from mlflow_hpo.algorithms import GRID, check_algorithm
from mlflow_hpo.data import CLASSIFICATION, check_data
from mlflow_hpo.data import is_builtin as is_named
from mlflow_hpo.errors import ConfigError
from mlflow_hpo.execution.serial import NO_DEADLINE
from mlflow_hpo.models import (
    DEFAULT_EPOCHS,
    ModelInfo,
    find_model,
    is_builtin,
)
from mlflow_hpo.objectives.spec import ObjectiveSpec
from mlflow_hpo.projects.checks import check_options
from mlflow_hpo.projects.prepared import Prepared
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.schedulers import PBT, Budget, check_scheduler, scheduler
from mlflow_hpo.settings import ALL, DEFAULT_DATA, LARGEST_GRID, OPTIONS, Settings
from mlflow_hpo.space import Choice, Fixed, Float, Int, Space
from mlflow_hpo.store import check_registration
from mlflow_hpo.study import metrics
from mlflow_hpo.study.data_spec import data_spec
from mlflow_hpo.study.engines import check_executor
from mlflow_hpo.user_code import GIVEN, check_reference, is_reference, shown_name


def check_asked(settings: Settings, code: str, data: str, scorer: str = "", callbacks: str = "") -> None:
    """Raises ConfigError for what can be told to be wrong before anything is loaded.

    Args:
        code, data, scorer, callbacks: digests of what Python gave; empty if it gave none.
    """
    if settings.project:
        check_options(settings.project, settings.dump(), {name: f.default for name, f in OPTIONS.items()})
    else:
        _check_model(settings, code, data)
    if settings.callbacks and not callbacks:
        _check_reference(settings.callbacks, "callbacks")
    _check_search(settings)
    if settings.keep_data and not data:
        raise ConfigError("keep-data: only data that Python gives are kept, and none were given")
    name = settings.data or (DEFAULT_DATA if is_builtin(settings.model) else "")
    known = settings.project is None and is_builtin(settings.model) and is_named(name)
    if known and settings.task not in ("auto", CLASSIFICATION):
        raise ConfigError(f"task: {settings.task!r} does not fit data {name!r}, which have classes")
    metrics.check_asked(settings, known and not scorer, known or bool(settings.project))
    if settings.max_epochs or known:  # else the model or the space may say how many
        _check_budget(settings)
    check_registration(settings.register_as, settings.alias, wanted=["force"] if settings.force else [])


def _check_search(settings: Settings) -> None:
    check_algorithm(settings.algorithm)
    if (settings.algorithm, settings.scheduler) == (GRID, PBT):
        raise ConfigError("scheduler 'pbt' changes configs while they train, off the grid: take random")
    if settings.max_trials == ALL and settings.algorithm != GRID:
        raise ConfigError(f"max-trials: {ALL!r} is for the algorithm grid, not for {settings.algorithm!r}")
    check_executor(settings)
    if settings.workers == 0 and settings.trial_timeout:
        raise ConfigError(NO_DEADLINE)
    check_scheduler(settings.scheduler, settings.trials_can_pause)


def _check_budget(settings: Settings) -> None:
    epochs = settings.max_epochs or DEFAULT_EPOCHS
    check_min_epochs(settings, epochs)
    budget = Budget(settings.most_trials, epochs, settings.min_epochs, settings.eta)
    _ = scheduler(settings.scheduler, budget, settings.trials_can_pause)


def check_min_epochs(settings: Settings, max_epochs: int) -> None:
    """Raises ConfigError if the first rung is beyond the last epoch."""
    if settings.min_epochs > max_epochs:
        raise ConfigError(f"min-epochs: {settings.min_epochs} is above max-epochs, {max_epochs}")


def _check_model(settings: Settings, code: str, data: str) -> None:
    if not is_builtin(settings.model) and not is_reference(settings.model):
        find_model(settings.model)
    if not is_builtin(settings.model) and not code:
        _check_reference(settings.model, "model")
    if settings.target_column and (is_named(settings.data or "") or not settings.data):
        where = settings.data or (DEFAULT_DATA if is_builtin(settings.model) else "no data")
        raise ConfigError(
            f"target: {settings.target_column!r} is no number to stop at, and {where} has no columns"
        )
    name = settings.data or (DEFAULT_DATA if is_builtin(settings.model) else "")
    check_data(data_spec(settings, name, data))
    if settings.folds > 1 and not name:
        raise ConfigError(f"folds: {settings.folds} folds need data: name a data set")
    if settings.positive_class is not None and not name:
        raise ConfigError(f"positive-class: {settings.positive_class!r} needs data: name a data set")


def _check_reference(name: str, what: str) -> None:
    """Raises ConfigError if code is named wrongly, or was given from Python and is not given now."""
    if name.startswith(GIVEN):
        raise ConfigError(f"{what}: {shown_name(name)!r} was given from Python: give it again from there")
    check_reference(name, what)


def is_builtin_study(spec: ObjectiveSpec) -> bool:
    """Tells whether model and data come with the package, so that nothing need be loaded to know them."""
    return not spec.project and is_builtin(spec.model) and is_named(spec.data.name)


def is_known_study(spec: ObjectiveSpec) -> bool:
    """Tells whether no trial need be tried to know that a built-in model fits its data, and the metric."""
    assert spec.metric is not None
    names = {spec.metric.name, *spec.others} - {*metrics.COSTS}
    named = names <= {*metrics.KNOWN} and not spec.scorer
    return is_builtin_study(spec) and named and not spec.callbacks


def check_fit(info: StudyInfo, model: ModelInfo, space: Space) -> None:
    """Raises HpoError if the settings do not fit the model or the space."""
    check_space(info.settings.scheduler, model, space)
    _check_epochs(info, model)
    check_min_epochs(info.settings, info.max_epochs)


def check_without_space(settings: Settings) -> None:
    """Raises ConfigError if the algorithm must know the whole space before an objective asks for it."""
    if settings.algorithm == GRID:
        raise ConfigError(
            "algorithm: 'grid' must know the space before it begins, and the objective asks as it runs: "
            "give a space, or another algorithm"
        )


def check_same_data(info: StudyInfo, record: StudyInfo | None) -> None:
    """Raises ConfigError if a study is to go on with other data from Python than it began with."""
    if record and record.data_digest and record.data_digest != info.data_digest:
        raise ConfigError(
            f"data: the study began with other data: their digest was {record.data_digest}, "
            f"it is {info.data_digest or 'of none'} now"
        )


def check_space(scheduler_name: str, model: ModelInfo, space: Space) -> None:
    """Raises ConfigError if the model or the scheduler has no use for the space."""
    model.check(space)
    if scheduler_name == PBT and not space.names() & set(model.changeable):
        known = ", ".join(model.changeable)
        raise ConfigError(
            f"scheduler 'pbt' changes {known} while a trial trains, and the space has none of them"
            if known
            else f"scheduler 'pbt' changes hyperparameters while a Keras model trains, "
            f"and {model.name!r} has none that may change"
        )


def most_epochs(space: Space, name: str) -> int | None:
    """Returns the most epochs that a config may ask for by a hyperparameter; None if there is none."""
    parameter = space.parameters.get(name)
    if isinstance(parameter, Int | Float):
        return int(parameter.high)
    if isinstance(parameter, Choice):
        whole = [option.value for option in parameter.options if isinstance(option.value, int)]
        return max(whole, default=None)
    return parameter.value if isinstance(parameter, Fixed) and isinstance(parameter.value, int) else None


def project_budget(project: Prepared) -> int:
    """Returns the largest budget of a project's trial: 1 without a resource, else the parameter's default.

    Raises:
        ConfigError: the parameter has no whole default.
    """
    from mlflow_hpo.projects.prepare import budget

    epochs = budget(project) if project.resource else 1
    if epochs is None:
        raise ConfigError(
            f"max-epochs: give the largest {project.resource} of a trial: the project has no whole default"
        )
    return epochs


def check_whole_grid(size: int) -> None:
    """Raises ConfigError if a grid is too large to be tried as a whole."""
    if size > LARGEST_GRID:
        raise ConfigError(
            f"max-trials: the grid has {size:,} combinations, and {ALL!r} is for {LARGEST_GRID:,} at most: "
            "give a number, or fewer grid-points"
        )


def _check_epochs(info: StudyInfo, model: ModelInfo) -> None:
    settings = info.settings
    if settings.resource != "auto" and not model.has_resources:
        raise ConfigError(f"resource: {settings.resource!r} is for estimators, and {model.name!r} is none")
    if model.has_epochs:
        return
    remedy = (
        "give a resource (partial_fit, samples, or one of its params)"
        if model.has_resources
        else "take objective(trial), which reports each epoch"
    )
    for name, value, usual in (
        ("scheduler", settings.scheduler, "none"),
        ("early-stopping", settings.early_stopping, None),
        ("max-epochs", info.max_epochs, 1),
    ):
        if value != usual:
            raise ConfigError(
                f"{name}: {value!r} is for models that train by epochs, and {model.name!r} does not: {remedy}"
            )


def check_room(info: StudyInfo, first: int) -> None:
    """Raises ConfigError if not all of the configs to try first would be tried.

    Args:
        first: how many they are.
    """
    most, plan = info.max_trials, info.plan
    if first >= most:
        raise ConfigError(
            f"start-from: {first} configs and the baseline are more than max-trials, {most}: "
            f"give {first + 1} trials at least"
        )
    if plan.fresh is not None and first >= plan.fresh:
        raise ConfigError(
            f"start-from: {first} configs and the baseline are more than the population of {plan.fresh} "
            f"that {info.settings.scheduler!r} has for {most} trials: give more trials, or fewer configs"
        )
