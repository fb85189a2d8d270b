"""Trains Keras models. TensorFlow is imported only when a worker warms up."""

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from typing_extensions import override

from mlflow_hpo.data import Data
from mlflow_hpo.data.preprocess import ModelInputs
from mlflow_hpo.data.streams import in_memory
from mlflow_hpo.data.structure import taken
from mlflow_hpo.data.weights import check_class_weight
from mlflow_hpo.errors import ConfigError, SetupError, main_line
from mlflow_hpo.hardware import GPU_MEMORY
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.base import Objective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.answer import conclude
from mlflow_hpo.objectives.keras.builders import Builder
from mlflow_hpo.objectives.keras.callbacks import NO_CALLBACKS, Callbacks, keep_states
from mlflow_hpo.objectives.keras.fit import Fit, scalars
from mlflow_hpo.objectives.keras.held import (
    FILE,
    assembled,
    built,
    hold,
    make_weights,
    prepared,
    with_weights,
)
from mlflow_hpo.objectives.keras.inputs import inputs_for
from mlflow_hpo.objectives.keras.rehearsal import FEW_ROWS, short_fit
from mlflow_hpo.objectives.keras.rows import batches, targets
from mlflow_hpo.objectives.keras.save import log, weights_of
from mlflow_hpo.objectives.keras.scorers import predicted, with_score
from mlflow_hpo.objectives.keras.weights import OWN_LOOP
from mlflow_hpo.objectives.scoring import read_predictions, scores
from mlflow_hpo.objectives.sklearn import NO_SCORER, MetricScorer

TRIED_ROWS = 2


@dataclass(frozen=True)
class KerasObjective(Objective):
    """Trains the models that a builder makes.

    Attributes:
        preprocess: `auto`: tables are preprocessed, as part of the model; `none`: they are taken as they are.
        scorer: computes the study's metric where that is a scorer that training does not report.
        callbacks: those that the study was given.
        class_weight: of the model itself, see `class_weight_text`; it counts if the study has none.
    """

    builder: Builder
    preprocess: str = "auto"
    scorer: MetricScorer = NO_SCORER
    callbacks: Callbacks = NO_CALLBACKS
    class_weight: str = ""
    packages: tuple[str, ...] = ("tensorflow", "keras", "numpy")

    @override
    def warm_up(self) -> None:
        """Imports TensorFlow and lets it take GPU memory as it needs it, up to this worker's part."""
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of the retracing that other models bring
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
            if limit := os.environ.get(GPU_MEMORY):
                part = tf.config.LogicalDeviceConfiguration(memory_limit=int(limit))
                tf.config.set_logical_device_configuration(gpu, [part])

    @override
    def describe(self, name: str, data: Data | None) -> ModelInfo:
        return self.builder.describe(name, data)

    @override
    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """Runs one forward pass, which traces nothing."""
        self.callbacks.made(trial)
        rows = self._inputs(trial)
        model = built(self.builder, trial, rows)
        if rows.data is None:
            return None
        if rows.data.streams and "batch_size" in trial.config:
            rows.data.streams["train"].fitted(int(trial.config["batch_size"]))
        part = rows.data.train
        try:
            first = slice(TRIED_ROWS)
            x, y = taken(part.x, first), taken(targets(model, rows.data, part), first)
            answers = model(x)
            model.compute_loss(x=x, y=y, y_pred=answers)
            names = [*model.compute_metrics(x, y, answers)]
            names += [f"val_{name}" for name in names if len(rows.data.validation)]
        except Exception as error:
            raise _misfit(rows.data, error) from error
        is_sure = not self.builder.has_own_fit
        if is_sure and _has_own_steps(model):
            heard = _rehearsed(model, rows.data)
            is_sure, names = bool(heard), heard or names
        added = self.scorer.names(rows.data, names)
        with_score(dict.fromkeys(names, 0.0), self.scorer, model, in_memory(rows.data))
        return (*names, *added) if is_sure else None

    @override
    def train(self, trial: Handle) -> None:
        rows = self._inputs(trial)
        model, counted = prepared(self.builder, trial, rows)
        is_own, callbacks = self.builder.has_own_fit, self.builder.callbacks(trial.config, trial.max_epochs)
        given = self.callbacks.made(trial)
        fit = Fit(trial, model, rows.data, callbacks, given, is_own, counted, self.scorer)
        answer = self.builder.fit(model, trial.config, fit, fit.rows())
        conclude(trial, fit, answer if is_own else None)
        fit.weights.save(always=not fit.called)
        folder = trial.context.folder
        keep_states(given, folder)
        model.save_weights(folder / FILE)  # the optimizer's state is among them
        if not fit.called:
            (folder / OWN_LOOP).touch()
        with fit.weights.in_place():
            log(trial, model, rows, fit.trained_on)
            if rows.data is not None:
                trial.log_cost(model.predict_on_batch, rows.data.train.x, model.count_params())
        if fit.called and trial.reached < trial.max_epochs:
            hold(trial, model, fit.weights.counted)

    def restored(self, trial: Handle, example: Any = None) -> Any:
        """Builds a trial's model with the weights of a logged one, whose files are the trial's checkpoint.

        Args:
            example: rows that it takes, if the study has no data that tell.
        """
        model = assembled(self.builder, trial, self._inputs(trial))
        if example is not None:
            make_weights(model, example)
        return with_weights(model, weights_of(trial.checkpoint))

    def _inputs(self, trial: Handle) -> ModelInputs:
        rows = inputs_for(self.builder, trial.config, trial.data, self.preprocess)
        if rows.data is None or not self.class_weight or rows.data.class_weight:
            return rows
        return replace(rows, data=weighted(rows.data, self.class_weight))

    @override
    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        part = data.test
        model = load("pyfunc" if data.is_table else "keras")
        if data.streams:
            return _of_stream(model, data)
        if not getattr(model, "compiled", False):  # a table's, or one with parts of the user's own
            return scores(read_predictions(load("pyfunc").predict(part.x), data, part), data, part)
        rows = batches(part.x, targets(model, data, part), part.weights)
        return scalars(model.evaluate(rows, verbose=0, return_dict=True))


@lru_cache(maxsize=8)
def weighted(data: Data, class_weight: str) -> Data:
    """Returns data whose classes count as a model says; the last results are kept, as are their tensors.

    Raises:
        DataError: there are no such classes.
        ConfigError: the rows are streams.
    """
    if data.streams:
        raise ConfigError(f"class-weight: is for arrays: let {data.title} give (x, y, weights)")
    check_class_weight(class_weight, data.labels or tuple(map(str, range(data.classes))), data.train.y)
    return replace(data, class_weight=class_weight)


def _has_own_steps(model: Any) -> bool:
    import keras

    steps = ("train_step", "test_step", "compute_metrics")
    return any(getattr(type(model), name) is not getattr(keras.Model, name) for name in steps)


def _rehearsed(model: Any, data: Data) -> list[str]:
    """Returns what a model that steps by itself reports of a few rows; nothing if only training tells."""
    train, held_out = (part.rows(slice(FEW_ROWS)) for part in (data.train, data.validation))
    held = {"validation_data": (held_out.x, targets(model, data, held_out))} if len(held_out) else {}
    with suppress(Exception):  # it may need more rows, or a graph
        return [*short_fit(model, train.x, targets(model, data, train), **held).history]
    return []


def _of_stream(model: Any, data: Data) -> dict[str, float]:
    """Returns the metrics of a model on the stream of test rows."""
    assert data.streams
    if getattr(model, "compiled", False):
        return scalars(model.evaluate(data.streams["test"].batched, verbose=0, return_dict=True))
    predictions, part = predicted(model, data, data.streams["test"])
    return scores(predictions, data, part)


def _misfit(data: Data, error: BaseException) -> SetupError:
    """Returns the error for a model that does not fit the data."""
    target = f"{data.classes} classes" if data.classes else "numbers to predict"
    shapes = f"the model does not fit {data.title}, whose inputs have shape {data.shape} and {target}"
    return SetupError(f"{shapes}: {main_line(error) or type(error).__name__}")
