"""Turns what Python gives, such as functions and DataFrames, into settings and contents."""

from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import ConfigError

if TYPE_CHECKING:
    from mlflow_hpo.data import DataSpec
    from mlflow_hpo.study.source import Given

GIVEN_CALLBACKS = "given:callbacks"
FROM_PYTHON = "configs from Python"  # as the setting start_from


def given_content(
    model: Any, space: Any, data: Any, settings: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], "Given"]:
    """Returns the settings that name model and data, and what is given by content.

    Args:
        settings: those that name columns of the data.
        folder: where contents go.
    """
    from mlflow_hpo.data import is_mlflows, save_data
    from mlflow_hpo.study.source import Given
    from mlflow_hpo.user_code import GIVEN, GIVEN_DATA, save_code

    if is_mlflows(data):
        from mlflow_hpo.store.fetched import addressed  # imports MLflow

        data = addressed(data)
    names: dict[str, Any] = {"model": model, "data": None if data is None else str(data)}
    roles = _role_values(settings)
    given = with_space(Given(folder), space)
    if not isinstance(model, str):
        given = replace(given, code=save_code(_with_structure(model, space), folder, "model"))
        names["model"] = GIVEN + getattr(model, "__name__", type(model).__name__)
    names |= {f"{role}_column": getattr(values, "name", None) or role for role, values in roles.items()}
    if data is not None and not isinstance(data, str | Path):
        given = replace(given, data=save_data(data, folder, _columns(settings, roles), roles))
        names["data"] = GIVEN_DATA
    elif roles:
        option = f"{next(iter(roles))}-column"
        raise ConfigError(f"{option}: values are for data from Python: name a column of the data")
    return {name: value for name, value in names.items() if value is not None}, given


def _role_values(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the roles of rows that are given by their values, not by the name of a column."""
    from mlflow_hpo.data import Roles

    roles = {f.name: settings.get(f"{f.name}_column") for f in fields(Roles)}
    return {
        role: values
        for role, values in roles.items()
        if isinstance(values, list | tuple) or hasattr(values, "shape")
    }


def _columns(settings: Mapping[str, Any], values: Mapping[str, Any]) -> "DataSpec":
    """Returns the columns that settings name, of data from Python."""
    from mlflow_hpo.data import DataSpec, Roles
    from mlflow_hpo.user_code import GIVEN_DATA

    target = settings.get("target_column") or settings.get("target")
    roles = {f.name: settings.get(f"{f.name}_column") for f in fields(Roles) if f.name not in values}
    return DataSpec(GIVEN_DATA, target=target if isinstance(target, str) else None, roles=Roles(**roles))


def with_splits(
    given: "Given", options: Mapping[str, Any], resume: str | None
) -> tuple["Given", dict[str, Any]]:
    """Makes folds of a splitter or pairs of positions, where one is given; returns also how many there are.

    Args:
        resume: the study that goes on, whose settings count where none are given again; or None.
    """
    splitter = options.get("folds")
    if not _is_splitter(splitter):
        return given, {**options}
    from mlflow_hpo.data import made_splits
    from mlflow_hpo.models import is_builtin
    from mlflow_hpo.settings import DEFAULT_DATA, read_settings
    from mlflow_hpo.study.data_spec import data_spec, fetched_content
    from mlflow_hpo.user_code import use_contents

    settings = read_settings({**_recorded(resume), **options, "folds": 1})
    name = settings.data or (DEFAULT_DATA if is_builtin(settings.model) else "")
    if not name:
        raise ConfigError(f"folds: {type(splitter).__name__} splits data: name a data set")
    use_contents(given.folder)
    content = given.data or fetched_content(name, given.folder)
    splits = made_splits(splitter, data_spec(settings, name, content))
    return replace(given, splits=splits.save(given.folder)), {**options, "folds": len(splits.cuts)}


def check_folds_of_project(folds: Any) -> None:
    """Raises ConfigError if a project is to be tuned on folds of a splitter."""
    if _is_splitter(folds):
        raise ConfigError(f"folds: {type(folds).__name__} is not for projects, which load their own data")


def _is_splitter(folds: Any) -> bool:
    return not isinstance(folds, str | bytes) and (hasattr(folds, "split") or isinstance(folds, Iterable))


def _recorded(study: str | None) -> Mapping[str, Any]:
    if study is None:
        return {}
    from mlflow_hpo.store import Connection, find_study, store_errors

    with store_errors():
        return find_study(Connection(), study).settings


def with_space(given: "Given", space: Any) -> "Given":
    """Adds the space as text, and the objects that its words stand for."""
    from mlflow_hpo.space import converted
    from mlflow_hpo.user_code import save_code

    if space is None:
        return given
    if type(space).__name__ == "HyperParameters":  # KerasTuner's
        from mlflow_hpo.objectives.keras.tuner_space import tuner_space

        space = tuner_space(space.space)
    text, options = converted(space)
    kept = save_code(options, given.folder, "space: an option") if options else ""
    return replace(given, space_text=text, options=kept)


def with_start(given: "Given", settings: Mapping[str, Any]) -> tuple["Given", dict[str, Any]]:
    """Adds the configs to try first, where they are given as dicts, as text."""
    from mlflow_hpo.space import given_text

    configs = settings.get("start_from")
    if configs is None or isinstance(configs, str | Path):
        return given, {**settings, "start_from": configs and str(configs)}
    listed = [configs] if isinstance(configs, Mapping) else [*configs]
    return replace(given, start_text=given_text(listed)), {**settings, "start_from": FROM_PYTHON}


def with_code(given: "Given", settings: dict[str, Any]) -> tuple["Given", dict[str, Any]]:
    """Returns what is given by content, and settings that name what they gave as Python's objects."""
    from mlflow_hpo.user_code import save_code

    metric = settings.get("metric")
    if callable(metric) or (isinstance(metric, list | tuple) and any(map(callable, metric))):
        given, settings = _with_scorer(given, settings)
    callbacks = settings.get("callbacks")
    if callbacks and not isinstance(callbacks, str):
        given = replace(given, callbacks=save_code(callbacks, given.folder, "callbacks"))
        settings = {**settings, "callbacks": GIVEN_CALLBACKS}
    return given, settings


def _with_scorer(given: "Given", settings: dict[str, Any]) -> tuple["Given", dict[str, Any]]:
    from mlflow_hpo.objectives.sklearn import name_of, sign_of, takes_estimator
    from mlflow_hpo.user_code import save_code

    metrics = [settings["metric"]] if callable(settings["metric"]) else [*settings["metric"]]
    scorer, *more = filter(callable, metrics)
    if more:
        raise ConfigError(f"metric: {name_of(more[0])} is a second scorer of your own: name the others")
    if not takes_estimator(scorer):
        name = name_of(scorer)
        raise ConfigError(
            f"metric: {name} compares predictions with what is right, and a scorer takes (estimator, x, y): "
            f"give make_scorer({name}), from sklearn.metrics"
        )
    named: dict[str, Any] = {"metric": f"val_{name_of(scorer)}"}
    direction = "maximize" if sign_of(scorer) > 0 else "minimize"
    if len(metrics) > 1:
        others = [metric for metric in metrics if metric is not scorer]
        named["metric"] = [f"{named['metric']}:{direction}", *others]
    elif settings.get("direction", "auto") == "auto":
        named["direction"] = direction
    return replace(given, scorer=save_code(scorer, given.folder, "metric")), {**settings, **named}


def with_client(given: "Given", settings: dict[str, Any]) -> tuple["Given", dict[str, Any]]:
    """Takes a Dask client, or the module `ray`, as `executor`; returns settings that name the cluster.

    Raises:
        ConfigError: it is something else.
    """
    client = settings.get("executor")
    if client is None or isinstance(client, str):
        return given, settings
    if getattr(client, "__name__", "") == "ray":
        return given, {**settings, "executor": "ray"}
    if type(client).__module__.partition(".")[0] != "distributed" or not hasattr(client, "scheduler"):
        raise ConfigError(f"executor: {client!r:.80} is none: give a name, ray, or a dask.distributed.Client")
    form, _, place = str(client.scheduler.address).partition("://")
    name = f"dask://{place}" if form == "tcp" else "dask"
    return replace(given, client=client), {**settings, "executor": name}


def _with_structure(model: Any, space: Any) -> Any:
    """Calls a function of Hyperopt's: it takes what the expression gives, nested as it may be."""
    from mlflow_hpo.objectives.function import CONFIG_FORM, FunctionObjective, form_of
    from mlflow_hpo.space import Structure, is_expression

    if not is_expression(space):
        return model
    if not callable(model) or form_of(model) != CONFIG_FORM:
        raise ConfigError(
            f"space: a Hyperopt expression is for a function of what it gives, not for model {model!r:.60}"
        )
    return FunctionObjective(model, CONFIG_FORM, Structure(space))
