"""An epoch as one execution: a loop over the rows' numbers, inside one graph.

Keras's own way to run many steps at once, `steps_per_execution`, wraps each step in nested graphs and
hands the rows through an iterator. A small model takes nearly twice as long to trace that way, and half as
long again to run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

EVALUATED_AT_ONCE = 1024  # rows
KEPT = 8
PLAIN = (  # what of a model must be Keras's own for its epochs to be run in our way
    "fit",
    "evaluate",
    "train_step",
    "test_step",
    "make_train_function",
    "make_test_function",
    "compute_metrics",
)
HARMLESS = {"verbose", "shuffle"}  # what may be given to `fit` besides rows and callbacks
_NAME = "_mlflow_hpo_epochs"  # the attribute of a model that holds its traced epochs, for its next unit

Rows = tuple[Any, Any]  # inputs and targets, as tensors


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
        """One epoch, in the order that a pair of seeds decides; gives the metrics."""
        import tensorflow as tf

        step, (x, y) = self._step(self.model.train_step), self.rows

        def epoch(seeds: Any) -> Any:
            order = shuffled(len(x), seeds)

            def body(start: Any) -> Any:
                chosen = order[start : start + self.batch]
                step((tf.gather(x, chosen), tf.gather(y, chosen)))
                return start + self.batch

            tf.while_loop(lambda start: start < len(x), body, [0])
            return self.model.get_metrics_result()

        return tf.function(epoch, autograph=False).get_concrete_function(tf.TensorSpec([2], tf.int64))

    @cached_property
    def test(self) -> Any:
        """One evaluation on what is held out; gives the metrics."""
        import tensorflow as tf

        assert self.held_out is not None
        step, (x, y) = self._step(self.model.test_step), self.held_out

        def evaluation() -> Any:
            def body(start: Any) -> Any:
                stop = start + EVALUATED_AT_ONCE
                step((x[start:stop], y[start:stop]))
                return stop

            if len(x) <= EVALUATED_AT_ONCE:
                step((x, y))
            else:
                tf.while_loop(lambda start: start < len(x), body, [0])
            return self.model.get_metrics_result()

        return tf.function(evaluation, autograph=False).get_concrete_function()

    def trace(self) -> None:
        """Trace both.

        Raises:
            Exception: something of the model is only made while it is trained.
        """
        make_variables(self.model, self.rows[1])
        _ = self.train
        if self.held_out is not None:
            _ = self.test

    def is_of(self, rows: Rows, held_out: Rows | None, batch: int) -> bool:
        """Whether they train with these very tensors, and the model was not compiled anew since."""
        mine = (*self._compiled, *self.rows, *(self.held_out or ()))
        theirs = (*_compiled(self.model), *rows, *(held_out or ()))
        same = len(mine) == len(theirs) and all(m is t for m, t in zip(mine, theirs, strict=True))
        return same and self.batch == batch

    def _step(self, step: Any) -> Any:
        import tensorflow as tf

        return tf.function(step, jit_compile=True, reduce_retracing=True) if self.model.jit_compile else step

    def data(self, start: int, stop: int) -> dict[str, Any]:
        """What to call `fit` with, while they are `used`, to train from epoch `start` to epoch `stop`."""
        found = {"x": _numbers(start, stop), "y": None, "steps_per_epoch": 1, "shuffle": False}
        return found if self.held_out is None else found | {"validation_data": _numbers(0, 1)}

    @contextmanager
    def used(self, seed: int) -> Iterator[None]:
        """For a while, what `fit` takes for a batch is the number of an epoch."""
        model = self.model

        def train(numbers: Any) -> Any:
            return self.train(np.array([seed, next(numbers)], np.int64))

        def test(numbers: Any) -> Any:
            next(numbers)
            return self.test()

        model.train_function, model.test_function = train, test if self.held_out else None
        try:
            yield
        finally:
            model.train_function = model.test_function = None


def epochs_of(model: Any, rows: Rows, held_out: Rows | None, batch: int) -> Epochs | None:
    """A model's epochs, traced; None where its variables are not all known before it is trained."""
    kept: Epochs | None = getattr(model, _NAME, None)
    if kept and kept.is_of(rows, held_out, batch):
        return kept
    found = Epochs(model, rows, held_out, batch)
    try:
        found.trace()
    except Exception:  # Keras itself can cope, or can say better what is wrong
        return None
    object.__setattr__(model, _NAME, found)  # past Keras, which would track it
    return found


def is_plain(model: Any, given: Mapping[str, Any], callbacks: Sequence[Any]) -> bool:
    """Whether its epochs can be run so: nothing of the user's own looks at steps, or says how they are made.

    Args:
        given: what `fit` is called with, beside rows and callbacks.
        callbacks: the user's.
    """
    import keras
    import tensorflow as tf

    own = any(getattr(type(model), name) is not getattr(keras.Model, name) for name in PLAIN)
    return not (
        own
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
    """What `compile` makes anew, the total of the loss among it."""
    return (model.optimizer, *model.metrics)


def shuffled(count: int, seeds: Any) -> Any:
    """The numbers below `count`, in an order that a pair of seeds decides."""
    import tensorflow as tf

    return tf.random.experimental.stateless_shuffle(tf.range(count), seeds)


def make_variables(model: Any, y: Any) -> None:
    """Make the optimizer's slots and the metrics' totals, before a graph is traced.

    TensorFlow traces a training step a second time when that step creates variables, which for a small model
    costs as much as several epochs.
    """
    import tensorflow as tf

    if model.optimizer is not None and not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    model.compute_metrics(None, tf.constant(y[:1]), tf.zeros((1, *model.output_shape[1:])))
    model.reset_metrics()


def _numbers(start: int, stop: int) -> Any:
    import tensorflow as tf

    plain = tf.data.Options()
    plain.autotune.enabled = False
    plain.experimental_optimization.apply_default_optimizations = False
    return tf.data.Dataset.range(start, stop).with_options(plain)


_tensors: dict[
    int, tuple[Any, Any]
] = {}  # id of an array -> the array, so that its id stays its own, and its tensor


def tensor(array: Any) -> Any:
    """The array as a tensor, made once for the arrays of a data set."""
    import tensorflow as tf

    if id(array) not in _tensors:
        while len(_tensors) >= KEPT:
            _tensors.pop(next(iter(_tensors)))
        _tensors[id(array)] = (array, tf.constant(array))
    return _tensors[id(array)][1]
