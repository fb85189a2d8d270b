"""What a study's settings leave open, filled in by what its model and its data are; and what does not fit."""

from collections.abc import Iterable

from mlflow_hpo.errors import ConfigError, SetupError
from mlflow_hpo.models import DEFAULT_EPOCHS, EPOCHS, ModelInfo, builtin_metrics, is_builtin
from mlflow_hpo.objectives.spec import DataInfo
from mlflow_hpo.schedulers import PBT
from mlflow_hpo.settings import Settings
from mlflow_hpo.space import Choice, Fixed, Float, Int, Space

FALLBACK_METRIC = "loss"


def resolved(settings: Settings, model: ModelInfo, data_info: DataInfo, space: Space) -> Settings:
    """The settings, complete.

    Raises:
        ConfigError: they do not fit the model, the data or the space.
    """
    if model.needs_data and not data_info.task:
        raise ConfigError(f"data: model {model.name!r} is trained on data: name a data set")
    metric = settings.metric or model.metric.get(data_info.task, FALLBACK_METRIC)
    epochs = _max_epochs(settings, model, space)
    complete = settings.model_copy(update={"metric": metric, "max_epochs": epochs})
    _check_epochs(complete, model)
    _check_resource(complete, model)
    complete.make_scheduler()
    if is_builtin(model.name):
        check_metric(complete, builtin_metrics(data_info.task))
    return complete


def check_space(settings: Settings, model: ModelInfo, space: Space) -> None:
    """Raise ConfigError where the model or the scheduler has no use for the space."""
    model.check(space)
    if settings.scheduler == PBT and not space.names() & set(model.changeable):
        known = ", ".join(model.changeable)
        raise ConfigError(
            f"scheduler 'pbt' changes {known} while a trial trains, and the space has none of them"
            if known
            else f"scheduler 'pbt' changes hyperparameters while a Keras model trains, "
            f"and {model.name!r} has none that may change"
        )


def check_metric(settings: Settings, metrics: Iterable[str] | None) -> None:
    """Raise HpoError where training will not report the metric, or nobody can tell its direction.

    Args:
        metrics: those that will be reported; None: nobody knows yet.
    """
    known = None if metrics is None else sorted(metrics)
    if known is not None and settings.metric not in known:
        raise SetupError(f"unknown metric {settings.metric!r}: known are {', '.join(known)}")
    _ = settings.maximize


def _max_epochs(settings: Settings, model: ModelInfo, space: Space) -> int:
    """As given; or as many as the space asks for; or the default of the model's kind."""
    asked = _most(space)
    if asked is None or not model.epochs_in_config:
        return settings.max_epochs or (DEFAULT_EPOCHS if model.has_epochs else 1)
    if settings.max_epochs is not None and settings.max_epochs < asked:
        raise ConfigError(
            f"max-epochs: {settings.max_epochs} is below the {asked} epochs that the space asks for"
        )
    return settings.max_epochs or asked


def _most(space: Space) -> int | None:
    """The most epochs that a config may ask for; None where they are no hyperparameter."""
    parameter = space.parameters.get(EPOCHS)
    if isinstance(parameter, Int | Float):
        return int(parameter.high)
    if isinstance(parameter, Choice):
        whole = [o.value for o in parameter.options if isinstance(o.value, int)]
        return max(whole, default=None)
    return parameter.value if isinstance(parameter, Fixed) and isinstance(parameter.value, int) else None


def _check_epochs(settings: Settings, model: ModelInfo) -> None:
    if model.has_epochs:
        return
    remedy = (
        "give a resource (partial_fit, samples, or one of its params)"
        if model.has_resources
        else ("take objective(trial), which reports each epoch")
    )
    for name, value, usual in (
        ("scheduler", settings.scheduler, "none"),
        ("early-stopping", settings.early_stopping, None),
        ("max-epochs", settings.max_epochs, 1),
    ):
        if value != usual:
            raise ConfigError(
                f"{name}: {value!r} is for models that train by epochs, and {model.name!r} does not: {remedy}"
            )


def _check_resource(settings: Settings, model: ModelInfo) -> None:
    if settings.resource != "auto" and not model.has_resources:
        raise ConfigError(f"resource: {settings.resource!r} is for estimators, and {model.name!r} is none")
