"""Private names of Keras and TensorFlow that make training faster, and the switch that turns them off.

With the environment variable MLFLOW_HPO_FAST_KERAS=0 none of it is used, nor is `fast_epochs`: models train
by Keras's own loop, a step at a time, seeded by `keras.utils.set_random_seed`, and each unit starts from its
checkpoint. Both ways train on the same rows in the same order with the same dropout, and training in parts
equals training at once in both. The exception is layers that draw from TensorFlow's global generator
(`tf.random.normal`), whose state no checkpoint holds. Off, their numbers begin again with each unit; on, they
go on where they were as long as a worker still holds the model.
"""

import os
import random
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SWITCH = "MLFLOW_HPO_FAST_KERAS"
_NAMES = "object_name_uids"  # of Keras's global state
_SUM = "_all_reduce_sum_gradients"  # a method of Keras's optimizers


def is_fast() -> bool:
    """Tells whether private names may be used: those of Keras on TensorFlow."""
    return os.environ.get(SWITCH) != "0" and is_on_tensorflow()


def is_on_tensorflow() -> bool:
    """Tells whether Keras computes by TensorFlow, not by JAX or PyTorch."""
    import keras

    return bool(keras.backend.backend() == "tensorflow")


@contextmanager
def kernels_kept() -> Iterator[None]:
    """Keeps TensorFlow from dropping its kernels for a while; a TensorFlow without these names drops them."""
    from tensorflow.python.eager.context import context

    eager = context()
    if not {"_seed", "_rng"} <= set(vars(eager)):
        yield
        return

    def set_seed(seed: int) -> None:
        eager._seed, eager._rng = seed, random.Random(seed)

    eager._set_global_seed, eager.clear_kernel_cache = set_seed, lambda: None
    try:
        yield
    finally:
        del eager._set_global_seed, eager.clear_kernel_cache


def names_given() -> dict[str, int]:
    """Returns how often Keras has given each name to an object without one, since its session was cleared."""
    from keras.src.backend.common import global_state

    return dict(global_state.get_global_attribute(_NAMES) or {})


def restore_names(names: dict[str, int]) -> None:
    """Makes Keras go on naming objects from where `names_given` was."""
    from keras.src.backend.common import global_state

    global_state.set_global_attribute(_NAMES, defaultdict(int, names))


@contextmanager
def gradients_unsummed(model: Any) -> Iterator[None]:
    """Keeps the optimizer from summing gradients over replicas for a while, if there is only one.

    TensorFlow's sum has a gradient of its own, and a list of such gradients that it keeps for good, each with
    the graph it was traced in: a few megabytes for a small model.
    """
    if not is_fast():
        yield
        return
    one = model.distribute_strategy.num_replicas_in_sync == 1
    outer = model.optimizer
    nested = (outer, getattr(outer, "inner_optimizer", None), *getattr(outer, "optimizers", ()))
    optimizers = [o for o in nested if one and o is not None and _SUM not in vars(o)]
    for optimizer in optimizers:
        object.__setattr__(optimizer, _SUM, lambda pairs: pairs)
    try:
        yield
    finally:
        for optimizer in optimizers:
            object.__delattr__(optimizer, _SUM)


@contextmanager
def fit_functions(model: Any, train: Any, test: Any) -> Iterator[None]:
    """Makes `fit` call `train` and `test` with its iterators for a while, instead of Keras's own loops."""
    model.train_function, model.test_function = train, test
    try:
        yield
    finally:
        model.train_function = model.test_function = None


def layers_of(model: Any) -> list[Any]:
    """Returns the layers of a model, also those within others; without private names only within models."""
    if is_fast() and hasattr(model, "_flatten_layers"):
        return list(model._flatten_layers())
    return [model, *(inner for layer in getattr(model, "layers", ()) for inner in layers_of(layer))]
