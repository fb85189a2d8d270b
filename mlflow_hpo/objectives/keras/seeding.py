"""Seeds a trial without taking from TensorFlow what it has prepared for the models that are held.

Both Keras's `clear_session` and a new seed make TensorFlow drop its kernels, and with them every graph that
it has optimised: to prepare that of a small model again takes longer than some of its epochs. They do so as
there are kernels that keep a state of random numbers. Such a kernel belongs to one seed, so that it has to
go only where that seed begins again.
"""

from contextlib import nullcontext
from typing import Any

import numpy as np

from mlflow_hpo.objectives.keras.internals import is_fast, kernels_kept

MAX_SEEDS = 64  # whose kernels are kept: code that runs eagerly may make many for each

_used: set[int] = set()  # in this process, since kernels were dropped


def begin(seed: int, keep: bool) -> None:
    """Forgets the names of earlier models and seeds every generator, for a model that is built.

    Args:
        keep: whether there are kernels of models that are held.
    """
    import keras

    drop = not (keep and is_fast()) or seed in _used or len(_used) >= MAX_SEEDS
    if drop:
        _used.clear()
    _used.add(seed)
    with nullcontext() if drop else kernels_kept():
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)


def go_on(seed: int) -> None:
    """Seeds every generator, for a model that is held; the model's kernels go on where they were."""
    import keras

    _used.add(seed)
    with kernels_kept():
        keras.utils.set_random_seed(seed)


def reseeder(model: Any, seed: int) -> Any:
    """Returns a callback that seeds dropout for each epoch: Keras's checkpoints leave its state out."""
    from keras.callbacks import LambdaCallback

    states = [v for v in model.variables if v.name == "seed_generator_state"]

    def reseed(epoch: int, logs: Any) -> None:
        for i, state in enumerate(states):
            seeds = np.random.SeedSequence([seed, epoch, i]).generate_state(2)
            state.assign(seeds.astype(state.dtype))

    return LambdaCallback(on_epoch_begin=reseed)
