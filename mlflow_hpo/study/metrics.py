"""Tells which metric a study goes by, and refuses one that it cannot go by."""

from collections.abc import Collection

from mlflow_hpo.data import CLASSIFICATION
from mlflow_hpo.errors import ConfigError, SetupError, unknown
from mlflow_hpo.metric import INSISTED, Metric, reported_name
from mlflow_hpo.models import builtin_metrics
from mlflow_hpo.settings import Settings

KNOWN = builtin_metrics(CLASSIFICATION)  # of the built-in models on the named data sets


def asked_metric(settings: Settings) -> Metric | None:
    """Returns the metric that was asked for; None if that, or its direction, is left open."""
    try:
        return Metric.directed(settings.metric, settings.direction) if settings.metric else None
    except ConfigError:  # it is said once the model is known
        return None


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


def check_metric(metric: Metric, asked: str, reported: Collection[str] | None) -> None:
    """Raises HpoError if training will not report the metric, or as one of the rows that it trains on.

    Args:
        asked: how the metric was named.
        reported: what training reports; None: only training tells.
    """
    if reported is None:
        return
    if metric.name not in reported:
        raise SetupError(f"{unknown('metric', metric.name, reported)}{_alike(metric.name)}")
    check_not_of_training(asked, reported)


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
