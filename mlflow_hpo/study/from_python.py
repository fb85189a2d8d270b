"""Turns what Python gives, such as functions and DataFrames, into settings and contents."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlflow_hpo.errors import ConfigError

if TYPE_CHECKING:
    from mlflow_hpo.data import DataSpec
    from mlflow_hpo.study.source import Given

GIVEN_DATA = "given:data"
GIVEN_CALLBACKS = "given:callbacks"


def given_content(
    model: Any, space: Any, data: Any, settings: Mapping[str, Any], folder: Path
) -> tuple[dict[str, Any], "Given"]:
    """Returns the settings that name model and data, and what is given by content.

    Args:
        settings: those that name columns of the data.
        folder: where contents go.
    """
    from mlflow_hpo.data import save_data
    from mlflow_hpo.study.source import Given
    from mlflow_hpo.user_code import GIVEN, save_code

    names: dict[str, Any] = {"model": model, "data": None if data is None else str(data)}
    given = with_space(Given(folder), space)
    if not isinstance(model, str):
        given = replace(given, code=save_code(_with_structure(model, space), folder, "model"))
        names["model"] = GIVEN + getattr(model, "__name__", type(model).__name__)
    if data is not None and not isinstance(data, str | Path):
        given = replace(given, data=save_data(data, folder, _columns(settings)))
        names["data"] = GIVEN_DATA
    return {name: value for name, value in names.items() if value is not None}, given


def _columns(settings: Mapping[str, Any]) -> "DataSpec":
    """Returns the columns that settings name, of data from Python."""
    from mlflow_hpo.data import DataSpec, Roles

    target = settings.get("target_column") or settings.get("target")
    roles = {f.name: settings.get(f"{f.name}_column") for f in fields(Roles)}
    return DataSpec("given", target=target if isinstance(target, str) else None, roles=Roles(**roles))


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


def with_code(given: "Given", settings: dict[str, Any]) -> tuple["Given", dict[str, Any]]:
    """Returns what is given by content, and settings that name what they gave as Python's objects."""
    from mlflow_hpo.user_code import save_code

    if callable(settings.get("metric")):
        given, settings = _with_scorer(given, settings)
    callbacks = settings.get("callbacks")
    if callbacks and not isinstance(callbacks, str):
        given = replace(given, callbacks=save_code(callbacks, given.folder, "callbacks"))
        settings = {**settings, "callbacks": GIVEN_CALLBACKS}
    return given, settings


def _with_scorer(given: "Given", settings: dict[str, Any]) -> tuple["Given", dict[str, Any]]:
    from mlflow_hpo.objectives.sklearn import name_of, sign_of, takes_estimator
    from mlflow_hpo.user_code import save_code

    scorer = settings["metric"]
    if not takes_estimator(scorer):
        name = name_of(scorer)
        raise ConfigError(
            f"metric: {name} compares predictions with what is right, and a scorer takes (estimator, x, y): "
            f"give make_scorer({name}), from sklearn.metrics"
        )
    named = {"metric": f"val_{name_of(scorer)}"}
    if settings.get("direction", "auto") == "auto":
        named["direction"] = "maximize" if sign_of(scorer) > 0 else "minimize"
    return replace(given, scorer=save_code(scorer, given.folder, "metric")), {**settings, **named}


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
