"""Runs a hypermodel's own `fit` once on a few rows, to learn what it reports and what it returns."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from typing import Any

from mlflow_hpo.data import CLASSIFICATION, REGRESSION, Data
from mlflow_hpo.errors import SetupError
from mlflow_hpo.models import KERAS_METRICS
from mlflow_hpo.objectives.keras.answer import DEFAULT_OBJECTIVE, returned

FEW_ROWS = 8


class in_place_of:  # noqa: N801 (used like a function)
    """Replaces the model's `fit` by another one for a while."""

    def __init__(self, model: Any, fit: Callable[..., Any]) -> None:
        self._model, self._fit = model, fit

    def __enter__(self) -> None:
        object.__setattr__(self._model, "fit", self._fit)

    def __exit__(self, *failure: object) -> None:
        object.__delattr__(self._model, "fit")


def few_rows(data: Data | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Returns a few training rows as arguments of a hypermodel's `fit`: by position, and by name."""
    if data is None or data.is_table:
        return (), {}
    part = data.train.rows(slice(0, FEW_ROWS))
    if data.streams:
        import tensorflow as tf

        columns = (part.x, part.y) if part.weights is None else (part.x, part.y, part.weights)
        rows = tf.data.Dataset.from_tensors(columns)
        return (rows,), {"validation_data": rows}
    return (part.x, part.y), {"validation_data": (part.x, part.y)}


def default_metrics(names: Collection[str]) -> Mapping[str, str]:
    """Returns the metric that is optimised by default, by task.

    A number that `fit` returns is minimised, as in KerasTuner. A hypermodel that brings its data has the
    accuracy on its validation rows or, if its training reports none, the loss.

    Args:
        names: what its training reports.
    """
    if DEFAULT_OBJECTIVE in names:
        return dict.fromkeys((CLASSIFICATION, REGRESSION, ""), DEFAULT_OBJECTIVE)
    reported = [name for name in KERAS_METRICS.values() if name in names]
    return {**KERAS_METRICS, **({"": reported[0]} if reported else {})}


def rehearsed(hypermodel: Any, hp: Any, data: Data | None) -> set[str]:
    """Trains on a few rows for an epoch; returns the names that `fit` reports or returns.

    Those that come after an error of the user's code are missing.
    """
    model, heard = hypermodel.build(hp), set[str]()

    def fit(x: Any = None, y: Any = None, **given: Any) -> Any:
        history = short_fit(model, x, y, **given)
        heard.update(history.history)
        return history

    rows, named = few_rows(data)
    with in_place_of(model, fit), suppress(Exception):
        answer = hypermodel.fit(hp, model, *rows, **named, epochs=1, callbacks=[], verbose=0)
        with suppress(SetupError):  # said when it trains
            return heard | set(returned(answer, None, at_best=False) or ())
    return heard


def short_fit(model: Any, x: Any = None, y: Any = None, **given: Any) -> Any:
    """Trains a model that is not needed afterwards for an epoch of a few rows; returns its History."""
    model.run_eagerly = True  # nothing is traced
    return type(model).fit(model, **_shortened(x, y, given))


def _shortened(x: Any, y: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the arguments of a `model.fit` that trains on a few rows only, without callbacks."""
    kept = {name: value for name, value in given.items() if name not in ("callbacks", "sample_weight")}
    held_out = kept.pop("validation_data", None)
    short: dict[str, Any] = {"epochs": 1, "initial_epoch": 0, "verbose": 0, "steps_per_epoch": None}
    if hasattr(x, "shape"):
        short |= {"x": x[:FEW_ROWS], "y": None if y is None else y[:FEW_ROWS]}
    else:
        short |= {"x": x, "y": y, "steps_per_epoch": 1}
    if isinstance(held_out, tuple) and all(hasattr(part, "shape") for part in held_out):
        short["validation_data"] = tuple(part[:FEW_ROWS] for part in held_out)
    elif held_out is not None:
        short |= {"validation_data": held_out, "validation_steps": 1}
    return kept | short
