"""Trains Keras models. TensorFlow is imported only when a worker warms up."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import numpy as np

from mlflow_hpo.datasets import Data, Part
from mlflow_hpo.errors import TrialError
from mlflow_hpo.hardware import versions
from mlflow_hpo.models.training import compile_model, learning_rate_at, prime
from mlflow_hpo.objectives.handle import Handle

FILE = "model.keras"
PACKAGES = ("tensorflow", "keras", "numpy")
EVALUATED_AT_ONCE = 1024  # rows
EXAMPLE_ROWS = 2
HELD = 8  # models that a worker keeps for units to come
HELD_PARAMETERS = 5_000_000  # of the largest that it keeps
TRAINING = ("optimizer", "momentum", "learning_rate")  # what `compile_model` takes


@dataclass(frozen=True)
class KerasObjective:
    """Trains what `build(shape, classes, **hyperparameters)` makes.

    Attributes:
        defaults: every hyperparameter's default, for those that a config does not name.
    """

    build: Callable[..., Any]
    defaults: dict[str, Any]
    flavor: ClassVar[str] = "keras"

    def warm_up(self) -> None:
        """Import TensorFlow and let it take GPU memory as it needs it, not all at once."""
        import tensorflow as tf

        tf.get_logger().setLevel("ERROR")  # it warns of the retracing that other models bring
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)

    def train(self, trial: Handle) -> None:
        """See `Objective.train`."""
        import keras

        if not trial.start:
            keras.backend.clear_session()
        keras.utils.set_random_seed(trial.seed)
        values = self.defaults | dict(trial.config)
        batch = values["batch_size"]
        steps = -(-len(trial.data.train) // batch)
        model = self._restored(trial, steps, values) if trial.start else self._built(trial, steps, values)
        model.fit(
            _training_rows(trial, batch),
            initial_epoch=trial.start,
            epochs=trial.epochs,
            steps_per_epoch=steps,
            validation_data=_batches(trial.data.validation),
            callbacks=[_schedule(trial, values), _reseeder(trial, model), _reporter(trial, model)],
            shuffle=False,
            verbose=0,
        )
        model.save(trial.checkpoint / FILE)
        self._log(trial, model)
        if trial.reached < trial.max_epochs:
            _hold(trial, model)

    def evaluate(self, model: Any, data: Data) -> dict[str, float]:
        """See `Objective.evaluate`."""
        scores = model.evaluate(_batches(data.test), verbose=0, return_dict=True)
        return {name: float(value) for name, value in scores.items()}

    def _built(self, trial: Handle, steps: int, values: dict[str, Any]) -> Any:
        own = {k: v for k, v in values.items() if k not in (*TRAINING, "batch_size", "schedule", "seed")}
        model = self.build(trial.data.shape, trial.data.classes, **own)
        compile_model(model, steps, **{k: values[k] for k in TRAINING})
        return model

    def _restored(self, trial: Handle, steps: int, values: dict[str, Any]) -> Any:
        from keras.saving import load_model

        held = _held.pop((trial.run_id, trial.start), None) if trial.source_id == trial.run_id else None
        if held is not None:
            return held
        file = trial.checkpoint / FILE
        if not file.exists():
            raise TrialError(f"the checkpoint of epoch {trial.start} holds no {FILE}")
        model = load_model(file)
        if values["optimizer"] == "sgd":
            model.optimizer.momentum = values["momentum"]  # a copy of another trial may have its own
        prime(model, steps)
        return model

    def _log(self, trial: Handle, model: Any) -> None:
        example = trial.data.validation.x[:EXAMPLE_ROWS]
        trial.log_model(
            self.flavor,
            model,
            inputs=example,
            outputs=np.zeros((len(example), trial.data.classes), np.float32),
            pip_requirements=[f"{k}=={v}" for k, v in versions("mlflow", *PACKAGES).items()],
        )


_held: dict[tuple[str | None, int], Any] = {}  # (run, epochs) -> a model whose trial may go on here


def _hold(trial: Handle, model: Any) -> None:
    """Keep a model, traced as it is, for the trial's next unit: to restore one costs as much as epochs."""
    if model.count_params() <= HELD_PARAMETERS:
        _held[trial.run_id, trial.reached] = model
    while len(_held) > HELD:
        _held.pop(next(iter(_held)))


def _reporter(trial: Handle, model: Any) -> Any:
    from keras.callbacks import LambdaCallback

    def report(epoch: int, logs: Any) -> None:
        if not trial.report(epoch + 1, logs):
            model.stop_training = True

    return LambdaCallback(on_epoch_end=report)


def _schedule(trial: Handle, values: dict[str, Any]) -> Any:
    from keras.callbacks import LearningRateScheduler

    base, shape = values["learning_rate"], values["schedule"]
    return LearningRateScheduler(lambda epoch: learning_rate_at(epoch, trial.max_epochs, base, shape))


def _reseeder(trial: Handle, model: Any) -> Any:
    """Seeds dropout and its like anew each epoch: a checkpoint of Keras's leaves their state out."""
    from keras.callbacks import LambdaCallback

    states = [v for v in model.variables if v.name == "seed_generator_state"]

    def reseed(epoch: int, logs: Any) -> None:
        for i, state in enumerate(states):
            state.assign(np.random.SeedSequence([trial.seed, epoch, i]).generate_state(2).astype(state.dtype))

    return LambdaCallback(on_epoch_begin=reseed)


def _training_rows(trial: Handle, batch: int) -> Any:
    """Batches whose order is a function of seed and epoch, so that a unit may begin at any epoch."""
    import tensorflow as tf

    x, y = _tensors(trial.data.train)
    rows = tf.range(len(trial.data.train))

    def epoch_rows(epoch: Any) -> Any:
        order = tf.random.experimental.stateless_shuffle(rows, tf.stack([trial.seed, epoch]))
        chosen = tf.data.Dataset.from_tensor_slices(order).batch(batch)
        return chosen.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))

    epochs = tf.data.Dataset.range(trial.start, trial.epochs)
    return epochs.flat_map(epoch_rows).prefetch(tf.data.AUTOTUNE)


def _batches(part: Part) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(_tensors(part)).batch(EVALUATED_AT_ONCE)


@lru_cache(maxsize=3)
def _tensors(part: Part) -> tuple[Any, Any]:
    import tensorflow as tf

    return tf.constant(part.x), tf.constant(part.y)
