"""Runs an epoch as one execution: a loop over the rows' numbers, inside one graph.

Keras's own way to run many steps at once, `steps_per_execution`, wraps each step in nested graphs and
hands the rows through an iterator. A small model takes nearly twice as long to trace that way, and half as
long again to run.
"""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mlflow_hpo.data.structure import count, each, members
from mlflow_hpo.objectives.keras.internals import fit_functions
from mlflow_hpo.objectives.keras.rows import EVALUATED_AT_ONCE, Rows, between, chosen, shuffled

PLAIN = (  # the methods of a model that must be Keras's own
    "fit",
    "evaluate",
    "train_step",
    "test_step",
    "make_train_function",
    "make_test_function",
    "compute_metrics",
)
HARMLESS = {"verbose", "shuffle"}  # arguments of `fit`, besides rows and callbacks, that change nothing here
_NAME = "_mlflow_hpo_epochs"  # the attribute of a model that holds its traced epochs, for its next unit


@dataclass(eq=False)
class Epochs:
    """The training and the evaluation of a model, each as one execution, traced once."""

    model: Any
    rows: Rows
    held_out: Rows | None
    batch: int

    def __post_init__(self) -> None:
        self._compiled = _compiled(self.model)

    @cached_property
    def train(self) -> Any:
        """The graph of one epoch: takes a pair of seeds, which decides the order, and gives the metrics."""
        import tensorflow as tf

        step, rows = self._step(self.model.train_step), self.rows
        length = count(rows[0])

        def epoch(seeds: Any) -> Any:
            order = shuffled(length, seeds)

            def body(start: Any) -> Any:
                step(chosen(rows, order[start : start + self.batch]))
                return start + self.batch

            tf.while_loop(lambda start: start < length, body, [0])
            return self.model.get_metrics_result()

        return tf.function(epoch, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.int64))

    @cached_property
    def test(self) -> Any:
        """The graph of one evaluation of the rows that are held out; gives the metrics."""
        import tensorflow as tf

        assert self.held_out is not None
        step, rows = self._step(self.model.test_step), self.held_out
        length = count(rows[0])

        def evaluation() -> Any:
            def body(start: Any) -> Any:
                stop = start + EVALUATED_AT_ONCE
                step(between(rows, start, stop))
                return stop

            if length <= EVALUATED_AT_ONCE:
                step(rows)
            else:
                tf.while_loop(lambda start: start < length, body, [0])
            return self.model.get_metrics_result()

        return tf.function(evaluation, autograph=False).get_concrete_function()

    def trace(self) -> None:
        """Traces both graphs.

        Raises:
            Exception: something of the model is only made while it is trained.
        """
        make_variables(self.model, self.rows[1])
        _ = self.train
        if self.held_out is not None:
            _ = self.test

    def is_for(self, rows: Rows, held_out: Rows | None, batch: int) -> bool:
        """Tells whether they train with these very tensors, and the model was not compiled again since."""
        mine = (*self._compiled, *_flat(self.rows), *_flat(self.held_out or ()))
        theirs = (*_compiled(self.model), *_flat(rows), *_flat(held_out or ()))
        same = len(mine) == len(theirs) and all(m is t for m, t in zip(mine, theirs, strict=True))
        return same and self.batch == batch

    def _step(self, step: Any) -> Any:
        import tensorflow as tf

        return tf.function(step, jit_compile=True, reduce_retracing=True) if self.model.jit_compile else step

    def data(self, start: int, stop: int) -> dict[str, Any]:
        """Returns the arguments of `fit` that train epochs `start` to `stop`, within `used`."""
        rows = {"x": _numbers(start, stop), "y": None, "steps_per_epoch": 1, "shuffle": False}
        return rows if self.held_out is None else rows | {"validation_data": _numbers(0, 1)}

    def used(self, seed: int) -> AbstractContextManager[None]:
        """Makes `fit` take each of its batches for the number of an epoch, for a while."""

        def train(numbers: Any) -> Any:
            return self.train(np.array([seed, next(numbers)], np.int64))

        def test(numbers: Any) -> Any:
            next(numbers)
            return self.test()

        return fit_functions(self.model, train, test if self.held_out else None)


def epochs_of(model: Any, rows: Rows, held_out: Rows | None, batch: int) -> Epochs | None:
    """Returns a model's traced epochs; None if its variables are not all known before it is trained."""
    kept: Epochs | None = getattr(model, _NAME, None)
    if kept and kept.is_for(rows, held_out, batch):
        return kept
    epochs = Epochs(model, rows, held_out, batch)
    try:
        epochs.trace()
    except Exception:  # Keras itself can cope, or can say better what is wrong
        return None
    object.__setattr__(model, _NAME, epochs)  # past Keras, which would track it
    return epochs


def is_plain(model: Any, given: Mapping[str, Any], callbacks: Sequence[Any]) -> bool:
    """Tells whether nothing of the user's looks at a model's steps or says how they are made.

    Args:
        given: the arguments of `fit` besides rows and callbacks.
        callbacks: the user's.
    """
    import keras
    import tensorflow as tf

    overridden = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in PLAIN)
    return not (
        overridden
        or model.run_eagerly
        or model.steps_per_execution != 1
        or model.distribute_strategy is not tf.distribute.get_strategy()
        or set(given) - HARMLESS
        or any(_looks_at_steps(callback) for callback in callbacks)
    )


def _looks_at_steps(callback: Any) -> bool:
    home, name = type(callback).__module__, type(callback).__name__
    paces = {getattr(callback, pace, "epoch") for pace in ("save_freq", "update_freq")}
    return not home.startswith("keras.") or name == "LambdaCallback" or paces != {"epoch"}


def _compiled(model: Any) -> tuple[Any, ...]:
    """Returns what `compile` makes new, such as the metric that totals the loss."""
    return (model.optimizer, *model.metrics)


def _flat(rows: Rows) -> list[Any]:
    return [tensor for columns in rows for tensor in members(columns)]


def make_variables(model: Any, y: Any) -> None:
    """Makes the optimizer's slots and the metrics' totals, before a graph is traced.

    TensorFlow traces a training step a second time when that step creates variables, which for a small model
    costs as much as several epochs.
    """
    import tensorflow as tf

    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    answers = tf.nest.map_structure(lambda output: tf.zeros((1, *output.shape[1:])), _outputs(model))
    model.compute_metrics(None, each(lambda values: tf.constant(values[:1]), y), answers)
    model.reset_metrics()


def _outputs(model: Any) -> Any:
    """Returns the shapes of what a model answers, as it is nested."""
    import tensorflow as tf

    shape = model.output_shape
    return tf.TensorSpec(shape) if isinstance(shape, tuple) else model.output


def _numbers(start: int, stop: int) -> Any:
    import tensorflow as tf

    plain = tf.data.Options()
    plain.autotune.enabled = False
    plain.experimental_optimization.apply_default_optimizations = False
    return tf.data.Dataset.range(start, stop).with_options(plain)
