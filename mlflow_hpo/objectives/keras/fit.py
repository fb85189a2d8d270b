"""One unit of `model.fit`: its epochs, its rows in an order that seed and epoch decide, its reports."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.fast_epochs import (
    EVALUATED_AT_ONCE,
    Epochs,
    Rows,
    epochs_of,
    is_plain,
    make_variables,
    shuffled,
    tensor,
)

BATCH = 32  # Keras's own default
_SUM = "_all_reduce_sum_gradients"  # a method of Keras's optimizers
WEIGHED = ("sample_weight", "validation_split")  # what needs the rows as arrays


@dataclass
class Fit:
    """Stands for `model.fit` during a unit.

    Whatever the user's code passes, the unit's epochs are trained, from where its checkpoint left off, and
    the study hears of them.

    Attributes:
        told: the epochs that a `fit` of the user's own was given, which are no wish of its own.
        called: whether it was.
        heard: whether an epoch's end was told.
    """

    trial: Handle
    model: Any
    data: Data | None
    own: Sequence[Any] = ()
    told: int | None = None
    called: bool = False
    heard: bool = False

    def __call__(self, x: Any = None, y: Any = None, **given: Any) -> Any:
        """Takes what `keras.Model.fit` takes."""
        self.called = True
        asked = given.pop("epochs", None)
        if asked is not None and int(asked) != self.told:
            self.trial.limit(int(asked))
        ours: dict[str, Any] = {"epochs": self.trial.epochs, "initial_epoch": self.trial.start, "verbose": 0}
        users = self._users(given)
        ours["callbacks"] = [*self.own, *users, self._reseeder(), self._reporter()]
        with _alone(self.model):
            rows, epochs = self._rows(x, y, given, users)
            with epochs.used(self.trial.seed) if epochs else nullcontext():
                return type(self.model).fit(self.model, **{**given, **rows, **ours})

    def rows(self) -> dict[str, Any]:
        """What `fit` is called with: the training rows and, where there are any, those to validate on."""
        if self.data is None:
            return {}
        known = {"x": self.data.train.x, "y": targets(self.model, self.data, self.data.train)}
        if len(self.data.validation):
            y = targets(self.model, self.data, self.data.validation)
            known["validation_data"] = (self.data.validation.x, y)
        return known

    def _users(self, given: dict[str, Any]) -> list[Any]:
        """The user's callbacks, but not ours, which a user's `fit` may have been handed as well."""
        found = given.pop("callbacks", None) or []
        found = found if isinstance(found, list | tuple) else [found]
        return [c for c in found if getattr(c, "of_unit", None) is not self]

    def _rows(
        self, x: Any, y: Any, given: dict[str, Any], users: Sequence[Any]
    ) -> tuple[dict[str, Any], Epochs | None]:
        """What `fit` is called with for rows, and the epochs that are run in our way, if they can be."""
        own = self.data is not None and x is self.data.train.x
        if not own or any(given.get(name) is not None for name in WEIGHED) or given.get("shuffle") is False:
            return {"x": x, "y": y}, None
        batch = int(given.pop("batch_size", None) or BATCH)
        held_out = given.pop("validation_data", None)
        given.pop("validation_batch_size", None)
        ours = held_out is None or self._is_ours(held_out)
        if ours and is_plain(self.model, given, users):
            parts = _tensors((x, y)), _tensors(held_out)
            if epochs := epochs_of(self.model, *parts, batch):
                return epochs.data(self.trial.start, self.trial.epochs), epochs
        return self._batched(x, y, batch, _batches(*held_out) if held_out and ours else held_out), None

    def _is_ours(self, held_out: Any) -> bool:
        assert self.data is not None
        return isinstance(held_out, tuple) and held_out[0] is self.data.validation.x

    def _batched(self, x: Any, y: Any, batch: int, held_out: Any) -> dict[str, Any]:
        """The rows for Keras's own loop over batches."""
        steps = -(-len(x) // batch)
        self._speed_up(steps, y)
        known = {"x": self._ordered(x, y, batch), "steps_per_epoch": steps, "shuffle": False}
        return known if held_out is None else {**known, "validation_data": held_out}

    def _ordered(self, x: Any, y: Any, batch: int) -> Any:
        """Batches whose order is a function of seed and epoch, so that a unit may begin at any epoch."""
        import tensorflow as tf

        x, y = tensor(x), tensor(y)

        def epoch_rows(epoch: Any) -> Any:
            order = shuffled(len(x), tf.stack([self.trial.seed, epoch]))
            chosen = tf.data.Dataset.from_tensor_slices(order).batch(batch)
            return chosen.map(lambda i: (tf.gather(x, i), tf.gather(y, i)))

        epochs = tf.data.Dataset.range(self.trial.start, self.trial.epochs)
        return epochs.flat_map(epoch_rows).prefetch(tf.data.AUTOTUNE)

    def _speed_up(self, steps: int, y: Any) -> None:
        """Make the first epoch cheap: one execution an epoch, every variable made beforehand."""
        if self.model.run_eagerly or self.model.steps_per_execution != 1:
            return
        self.model.steps_per_execution = steps
        with suppress(Exception):  # a model of another shape is traced twice
            make_variables(self.model, y)

    def _reporter(self) -> Any:
        from keras.callbacks import LambdaCallback

        def report(epoch: int, logs: Any) -> None:
            self.heard = True
            if not self.trial.report(epoch + 1, scalars(logs)):
                self.model.stop_training = True

        return self._marked(LambdaCallback(on_epoch_end=report))

    def _reseeder(self) -> Any:
        """Seeds dropout and its like anew each epoch: a checkpoint of Keras's leaves their state out."""
        from keras.callbacks import LambdaCallback

        states = [v for v in self.model.variables if v.name == "seed_generator_state"]

        def reseed(epoch: int, logs: Any) -> None:
            for i, state in enumerate(states):
                seeds = np.random.SeedSequence([self.trial.seed, epoch, i]).generate_state(2)
                state.assign(seeds.astype(state.dtype))

        return self._marked(LambdaCallback(on_epoch_begin=reseed))

    def callbacks(self) -> list[Any]:
        """For a user's own training loop, which calls them as Keras would."""
        return [self._reseeder(), self._reporter()]

    def _marked(self, callback: Any) -> Any:
        callback.of_unit = self
        return callback


@contextmanager
def _alone(model: Any) -> Iterator[None]:
    """For a while the optimizer does not sum gradients over replicas, where there is one.

    TensorFlow's sum has a gradient of its own, and a list of such gradients that it keeps for good, each with
    the graph it was traced in: a few megabytes for a small model.
    """
    one = model.distribute_strategy.num_replicas_in_sync == 1
    outer = model.optimizer
    known = (outer, getattr(outer, "inner_optimizer", None), *getattr(outer, "optimizers", ()))
    optimizers = [o for o in known if one and o is not None and _SUM not in vars(o)]
    for optimizer in optimizers:
        object.__setattr__(optimizer, _SUM, lambda pairs: pairs)
    try:
        yield
    finally:
        for optimizer in optimizers:
            object.__delattr__(optimizer, _SUM)


def scalars(logs: Any) -> dict[str, float]:
    """Those of what Keras logged that are single numbers."""
    return {k: float(v) for k, v in (logs or {}).items() if np.ndim(v) == 0}


@lru_cache(maxsize=8)
def _one_hot(part: Part, classes: int) -> Any:
    return np.eye(classes, dtype=np.float32)[part.y]


def targets(model: Any, data: Data, part: Part) -> Any:
    """The part's targets as the model's loss wants them: one-hot for a categorical cross-entropy."""
    loss = model.loss
    name = str(loss if isinstance(loss, str) else getattr(loss, "name", getattr(loss, "__name__", "")))
    if data.classes and part.y.ndim == 1 and name.startswith("categorical"):
        return _one_hot(part, data.classes)
    return part.y


def batches(model: Any, data: Data, part: Part) -> Any:
    """A part in batches, to be evaluated."""
    return _batches(part.x, targets(model, data, part))


def _tensors(rows: Rows | None) -> Any:
    return rows and tuple(tensor(array) for array in rows)


def _batches(x: Any, y: Any) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((tensor(x), tensor(y))).batch(EVALUATED_AT_ONCE)
