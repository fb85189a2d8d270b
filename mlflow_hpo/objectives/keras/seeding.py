"""A fresh start for a trial, which leaves alone what TensorFlow has prepared for the models that are held.

Both Keras's `clear_session` and a new seed make TensorFlow drop its kernels, and with them every graph that
it has optimised: to prepare that of a small model again takes longer than some of its epochs. They do so as
there are kernels that keep a state of random numbers. Such a kernel belongs to one seed, so that it has to
go only where that seed begins anew.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

MOST = 64  # seeds whose kernels are kept: code that runs eagerly may make many for each

_used: set[int] = set()  # in this process, since kernels were dropped


def begin(seed: int, keep: bool) -> None:
    """Forget earlier models' names and seed every generator, for a model that is built.

    Args:
        keep: whether there are kernels of models that are held.
    """
    import keras

    anew = not keep or seed in _used or len(_used) >= MOST
    if anew:
        _used.clear()
    _used.add(seed)
    with nullcontext() if anew else _kernels_kept():
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)


def go_on(seed: int) -> None:
    """Seed every generator, for a model that is held; its own kernels go on where they were."""
    import keras

    _used.add(seed)
    with _kernels_kept():
        keras.utils.set_random_seed(seed)


@contextmanager
def _kernels_kept() -> Iterator[None]:
    """For a while TensorFlow drops no kernels; of another TensorFlow, without these names, it does."""
    from tensorflow.python.eager.context import context

    found = context()
    if not {"_seed", "_rng"} <= set(vars(found)):
        yield
        return

    def set_seed(seed: int) -> None:
        found._seed, found._rng = seed, random.Random(seed)

    found._set_global_seed, found.clear_kernel_cache = set_seed, lambda: None
    try:
        yield
    finally:
        del found._set_global_seed, found.clear_kernel_cache
