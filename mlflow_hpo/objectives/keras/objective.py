"""Trains Keras models. TensorFlow is imported only when a worker warms up."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlflow_hpo.data import Data
from mlflow_hpo.data.preprocess import ModelInputs, model_inputs
from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.models import ModelInfo
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.builders import Builder
from mlflow_hpo.objectives.keras.fit import Fit, batches, scalars, targets
from mlflow_hpo.objectives.keras.save import log
from mlflow_hpo.objectives.keras.seeding import begin, go_on
from mlflow_hpo.objectives.scoring import read_predictions, scores

FILE = "model.weights.h5"
OWN_LOOP = "own_loop"  # marks the checkpoint of a model that a loop of the user's own trained
HELD = 8  # models that a worker keeps for units to come
HELD_PARAMETERS = 5_000_000  # of the largest that it keeps
TRIED = 2  # rows that a model is tried on


@dataclass(frozen=True)
class KerasObjective:
    """Trains what the builder makes.

    Attributes:
        preprocess: `auto`: tables are preprocessed, as part of the model; `none`: they are taken as they are.
    """

    builder: Builder
    preprocess: str = "auto"
    packages: tuple[str, ...] = ("tensorflow", "keras", "numpy")

    def warm_up(self) -> None:
        """Import TensorFlow and let it take GPU memory as it needs it, not all at once."""
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of the retracing that other models bring
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)

    def describe(self, name: str, data: Data | None) -> ModelInfo:
        """See `Objective.describe`."""
        return self.builder.describe(name, data)

    def dry_run(self, trial: Handle) -> tuple[str, ...] | None:
        """See `Objective.dry_run`: one forward pass, which traces nothing."""
        rows = model_inputs(trial.data, self.preprocess)
        model = _built(self.builder, trial, rows)
        if rows.data is None:
            return None
        part = rows.data.train
        try:
            answers = model(part.x[:TRIED])
            aims = targets(model, rows.data, part)[:TRIED]
            model.compute_loss(x=part.x[:TRIED], y=aims, y_pred=answers)
            names = [*model.compute_metrics(part.x[:TRIED], aims, answers)]
        except Exception as error:
            raise SetupError(_misfit(rows.data, error)) from error
        return None if self._reports_otherwise(model) else (*names, *(f"val_{name}" for name in names))

    def _reports_otherwise(self, model: Any) -> bool:
        import keras

        own = (
            getattr(type(model), name) is not getattr(keras.Model, name)
            for name in ("train_step", "test_step")
        )
        return self.builder.has_own_fit or any(own)

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        rows = model_inputs(trial.data, self.preprocess)
        model = _prepared(self.builder, trial, rows)
        fit = Fit(trial, model, rows.data, self.builder.callbacks(trial.config, trial.max_epochs))
        answer = self.builder.fit(model, trial.config, fit, fit.rows())
        if not trial.progress.reported and fit.heard:  # epochs that are known
            trial.progress.end(trial.where)
        elif not trial.progress.reported:
            trial.report(trial.epochs, _returned(answer, trial.context.metric_name))
        folder = trial.context.folder
        model.save_weights(folder / FILE)  # the optimizer's state is among them
        if not fit.called:
            (folder / OWN_LOOP).touch()
        log(trial, model, rows)
        if rows.data is not None:
            trial.log_cost(model.predict_on_batch, rows.data.train.x, model.count_params())
        if fit.called and trial.reached < trial.max_epochs:
            _hold(trial, model)

    def evaluate(self, load: Callable[[str], Any], data: Data) -> dict[str, float]:
        """See `Objective.evaluate`."""
        model = load("pyfunc" if data.is_table else "keras")
        if not hasattr(model, "evaluate"):  # a table's, or one with layers of the user's own
            answers = load("pyfunc").predict(data.test.x)
            return scores(read_predictions(answers, data, data.test), data, data.test)
        return scalars(model.evaluate(batches(model, data, data.test), verbose=0, return_dict=True))


def _built(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    try:
        model = builder.build(trial.config, rows.data)
    except (SetupError, TrialError):
        raise
    except ValueError as error:
        if rows.data is None or "hape" not in str(error):  # shape, or Shape
            raise
        raise SetupError(_misfit(rows.data, error)) from error
    if rows.data is not None and not model.built:
        model(rows.data.train.x[:1])
    return model


def _prepared(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    """A new model, or one as it was at the checkpoint: that which is held, or built anew with its weights."""
    unit = trial.context
    held = _held.pop((unit.run_id, unit.start), None) if unit.source_id == unit.run_id else None
    if held is not None:
        go_on(trial.seed)
        return held
    begin(trial.seed, keep=bool(_held))
    return _restored(builder, trial, rows) if trial.start else _built(builder, trial, rows)


def _restored(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    """It is built, not loaded: layers and losses of the user's own need no registration with Keras."""
    file = trial.checkpoint / FILE
    if not file.exists():
        raise TrialError(f"the checkpoint of epoch {trial.start} holds no {FILE}")
    model = _built(builder, trial, rows)
    is_own = trial.context.source_id == trial.context.run_id
    if is_own and (trial.context.folder / OWN_LOOP).exists():
        return model  # the loop cannot be told where to begin, and trains all epochs again
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
        own = model.optimizer.get_config().get("learning_rate")
    model.load_weights(file)
    if not is_own and isinstance(own, float):
        model.optimizer.learning_rate.assign(own)  # a copy of another trial has its own
    return model


_held: dict[tuple[str | None, int], Any] = {}  # (run, epochs) -> a model whose trial may go on here


def _hold(trial: Handle, model: Any) -> None:
    """Keep the model for the trial's next unit: it is traced, and need not be restored."""
    if model.run_eagerly or model.count_params() > HELD_PARAMETERS:
        return
    _held[(trial.context.run_id, trial.reached)] = model
    while len(_held) > HELD:
        _held.pop(next(iter(_held)))


def _returned(answer: Any, metric: str) -> dict[str, float]:
    """What a user's own training loop returned: a number, metrics, or Keras's history."""
    if hasattr(answer, "history"):
        return {k: float(v[-1]) for k, v in answer.history.items() if v}
    if isinstance(answer, dict):
        return scalars(answer)
    if isinstance(answer, int | float):
        return {metric: float(answer)}
    raise SetupError(
        f"the model's fit reported no epoch and returned {type(answer).__name__}: return its metrics"
    )


def _misfit(data: Data, error: BaseException) -> str:
    what = f"{data.classes} classes" if data.classes else "numbers to predict"
    fits = f"the model does not fit data {data.name!r}, whose inputs have shape {data.shape} and {what}"
    return f"{fits}: {_said(error)}"


def _said(error: BaseException) -> str:
    """The line of Keras's error that tells; it may quote whole arrays."""
    text = re.sub(r"\x1b\[\d+m", "", str(error))
    if found := re.search(r"Expected shape .*", text):
        return found.group()
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if line and "encountered" not in line), type(error).__name__)
