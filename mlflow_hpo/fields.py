"""What single settings may be: their types, what a metric's name says, what MLflow's registry takes."""

import re
from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, ValidationError

from mlflow_hpo.errors import ConfigError

MINIMIZED = ("loss", "error", "mse", "mae", "rmse", "mape", "crossentropy", "deviance")
MAXIMIZED = ("acc", "auc", "f1", "precision", "recall", "r2", "score", "iou", "dice")
USUAL_ALIASES = ("challenger", "champion")


def is_number(text: str) -> bool:
    """Whether a text reads as a number."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def _blank_is_none(value: Any) -> Any:
    return None if value == "" else value


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Seconds = Annotated[_Positive | None, BeforeValidator(_blank_is_none)]
Number = Annotated[Annotated[float, Field(allow_inf_nan=False)] | None, BeforeValidator(_blank_is_none)]
Count = Annotated[Annotated[int, Field(ge=1)] | None, BeforeValidator(_blank_is_none)]
Seed = Annotated[Annotated[int, Field(ge=0, lt=2**32)] | None, BeforeValidator(_blank_is_none)]
Word = Annotated[str | None, BeforeValidator(_blank_is_none)]


def more_is_better(metric: str) -> bool | None:
    """Whether more of a metric is better, by its name; None where that does not tell."""
    name = metric.lower()
    if name.startswith("neg_") or "_neg_" in name:  # scikit-learn's scorers: always, more is better
        return True
    if any(word in name for word in MINIMIZED):
        return False
    if any(word in name for word in MAXIMIZED):
        return True
    return None


def check_registration(
    name: str | None, alias: str, option: str = "register", wanted: Iterable[str] = ()
) -> None:
    """Raise ConfigError where MLflow's registry would refuse the model's name or the alias.

    Args:
        option: what the name was given as.
        wanted: options about registering that are given, for which there must be a name.
    """
    if name is None and (vain := next(iter(wanted), None)):
        raise ConfigError(f"{vain.replace('_', '-')}: is for registering: give --register NAME")
    if name is not None and (not name.strip() or set(name) & set("/:")):
        raise ConfigError(f"{option}: {name!r} is no name for a model: it is blank or holds / or :")
    reserved = alias.lower() == "latest" or re.fullmatch(r"[vV]\d+", alias)
    if reserved or not re.fullmatch(r"[\w\-]{1,255}", alias):
        raise ConfigError(
            f"alias: {alias!r} is no alias: take letters, digits, - and _, but not latest or v1; "
            f"known are {', '.join(USUAL_ALIASES)}"
        )


def faults(error: ValidationError) -> list[str]:
    """What is wrong with settings: one clause for each, with the value and what would be right."""
    found: dict[str, str] = {}
    for fault in error.errors():
        if not fault["loc"]:
            found[""] = fault["msg"].removeprefix("Value error, ")
            continue
        inner = fault["loc"][0] == "project" and len(fault["loc"]) > 1
        name = str(fault["loc"][1 if inner else 0])
        message = fault["msg"][0].lower() + fault["msg"][1:]
        if name == "workers":
            message = "must be auto or a whole number of at least 1"
        if name == "keep_models":
            message = "must be all, best or a whole number of at least 1"
        found[name] = f"{name.replace('_', '-')}: {message}, not {fault['input']!r}"
    return list(found.values())
