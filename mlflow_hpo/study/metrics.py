"""Tells which metric a study goes by, and refuses one that it cannot go by."""

from collections.abc import Collection, Sequence

from mlflow_hpo.data import CLASSIFICATION
from mlflow_hpo.errors import ConfigError, SetupError, unknown
from mlflow_hpo.metric import INSISTED, Metric, parse_constraints, reported_name
from mlflow_hpo.models import builtin_metrics
from mlflow_hpo.report.study_info import StudyInfo
from mlflow_hpo.report.winner import Preference
from mlflow_hpo.settings import Settings

DIRECTIONS = {"min": "minimize", "minimize": "minimize", "max": "maximize", "maximize": "maximize"}
COSTS = ("inference_ms", "model_parameters", "model_size_bytes")  # that every trial is measured by
KNOWN = builtin_metrics(CLASSIFICATION)  # of the built-in models on the named data sets


def asked(settings: Settings) -> list[tuple[str, str]]:
    """Returns what is to be optimised: names as they were given, each with its direction or `auto`.

    Raises:
        ConfigError: a name is missing or stands twice, or one direction is given for several metrics.
    """
    parts = [part.strip() for part in settings.metric.split(",")] if settings.metric else []
    named = [_directed(part, settings.direction) for part in parts]
    names = [reported_name(name) for name, _ in named]
    if not all(names):
        raise ConfigError(f"metric: {settings.metric!r} lacks a name: give them as val_accuracy,inference_ms")
    if double := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"metric: {double!r} stands twice in {settings.metric!r}: name it once")
    if len(named) > 1 and settings.direction != "auto":
        raise ConfigError(
            f"direction: {settings.direction!r} is for one metric: give each its own, as "
            f"{named[0][0]}:{settings.direction}"
        )
    return named


def ordered(named: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Returns what is to be optimised, costs last: training reports none of them at each epoch."""
    return sorted(named, key=lambda one: one[0] in COSTS)


def names_as_asked(settings: Settings) -> tuple[str, ...]:
    """Returns the names of what is to be optimised, in the order in which a function returns the values."""
    return tuple(reported_name(name) for name, _ in asked(settings))


def _directed(part: str, direction: str) -> tuple[str, str]:
    name, _, word = part.rpartition(":")
    return (name.strip(), DIRECTIONS[word]) if word in DIRECTIONS else (part, direction)


def asked_metric(settings: Settings) -> Metric | None:
    """Returns the first metric that was asked for; None if that, or its direction, is left open."""
    try:
        named = ordered(asked(settings))
        return Metric.directed(*named[0]) if named else None
    except ConfigError:  # it is said once the model is known
        return None


def other_names(settings: Settings) -> tuple[str, ...]:
    """Returns the names of the metrics that trials are judged by beside the first."""
    bounded = [constraint.metric.name for constraint in parse_constraints(settings.constraints or "")]
    names = [*(reported_name(name) for name, _ in asked(settings)), *bounded]
    first = reported_name(ordered(asked(settings))[0][0]) if settings.metric else ""
    return tuple(dict.fromkeys(name for name in names if name != first))


def check_asked(settings: Settings, is_builtin: bool, is_sure: bool) -> None:
    """Raises ConfigError for metrics that can be told to be wrong before anything is loaded.

    Args:
        is_builtin: a built-in model is trained on a named data set.
        is_sure: their directions can be told.
    """
    for name, direction in asked(settings):
        if is_builtin and name not in COSTS:
            check_builtin_metric(name)
        if is_sure:
            Metric.directed(name, direction)
    for constraint in parse_constraints(settings.constraints or ""):
        if is_builtin and constraint.metric.name not in COSTS:
            check_builtin_metric(constraint.metric.name)
    if settings.prefer:
        Preference.parse(settings.prefer, [reported_name(name) for name, _ in asked(settings)])
    if len(asked(settings)) > 1:
        _check_several(settings)


def _check_several(settings: Settings) -> None:
    """Raises ConfigError for what goes by one metric alone, where there are several."""
    name = settings.scheduler
    if name == "median":
        raise ConfigError("scheduler: 'median' compares one metric, not several: take asha or hyperband")
    if name != "none" and not settings.trials_can_pause:
        raise ConfigError(
            f"scheduler: {name!r} compares several metrics where trials pause, and those of a project do "
            "not: give one metric, or the scheduler none"
        )
    if settings.warm_start:
        raise ConfigError("warm-start: an algorithm learns from an earlier study by one metric, not several")
    if settings.target is not None:
        raise ConfigError(
            f"target: {settings.target:g} is for one metric, and {settings.metric!r} names several"
        )


def presumed_metric(name: str, direction: str) -> Metric:
    """Returns a metric, minimised if its name does not tell: a trial of the model says if there is one."""
    try:
        return Metric.directed(name, direction)
    except ConfigError:
        return Metric(reported_name(name), maximize=False)


def check_builtin_metric(asked: str) -> None:
    """Raises ConfigError for a metric that a built-in model does not have on the named data sets."""
    from mlflow_hpo.objectives.sklearn import is_scorer  # NumPy comes with it, and scikit-learn

    name = reported_name(asked)
    if name in KNOWN:
        check_not_of_training(asked, KNOWN)
    elif not is_scorer(name):
        raise ConfigError(f"{unknown('metric', name, KNOWN)}{_alike(name)}")


def check_reported(info: StudyInfo, of_model: Collection[str], reported: Collection[str] | None) -> None:
    """Raises HpoError if training will not report what trials are judged by, or on the rows it trains on.

    Args:
        of_model: what the model is known to report.
        reported: what training reports; None: only training tells.
    """
    named = ordered(asked(info.settings)) or [("", info.settings.direction)]
    for metric, (name, direction) in zip(info.metrics, named, strict=True):
        check_not_of_training(name, of_model)
        _check_known(metric.name, reported)
        if reported is not None:
            check_not_of_training(name, reported)
        Metric.directed(metric.name, direction)  # said only of a metric there is
    for constraint in info.constraints:
        _check_known(constraint.metric.name, reported)


def _check_known(name: str, reported: Collection[str] | None) -> None:
    if reported is not None and name not in {*reported, *COSTS}:
        raise SetupError(f"{unknown('metric', name, reported)}{_alike(name)}")


def check_without_validation(asked: Collection[str], is_stream: bool) -> None:
    """Raises ConfigError for data without validation rows, but for a stream whose metrics need none."""
    if not is_stream:
        raise ConfigError("part-column: no row is in the part validation: name one, or give folds")
    for name in asked:
        if reported_name(name).startswith("val_"):
            raise ConfigError(
                f"data: one stream alone has no rows for {name}: give (train, validation), as a tuple, or "
                f"{name.removeprefix('val_')} as the metric, on the training rows"
            )


def _alike(name: str) -> str:
    """Returns what follows the metrics of a training, if one of scikit-learn's was meant; else nothing."""
    from mlflow_hpo.objectives.sklearn import scorers_like

    alike = scorers_like(name)
    return f", and scikit-learn's scorers: did you mean {' or '.join(alike)}?" if alike else ""


def check_not_of_training(asked: str, reported: Collection[str]) -> None:
    """Raises ConfigError for a metric of the training rows where the validation rows have the same one.

    A model that learns its rows by heart is the best by it; `train:NAME` asks for it nevertheless.
    """
    if asked == reported_name(asked) and f"val_{asked}" in reported:
        raise ConfigError(
            f"metric {asked!r} is measured on the training rows: "
            f"give val_{asked}, or {INSISTED}{asked} to insist"
        )
