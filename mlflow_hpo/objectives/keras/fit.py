"""One unit of `model.fit`: its epochs, its rows in an order that seed and epoch decide, its reports."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np

from mlflow_hpo.data import Data
from mlflow_hpo.data.structure import count
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.callbacks import restore_states
from mlflow_hpo.objectives.keras.fast_epochs import Epochs, epochs_of, is_plain, make_variables
from mlflow_hpo.objectives.keras.internals import gradients_unsummed, is_fast
from mlflow_hpo.objectives.keras.rows import Rows, batches, fit_arguments, shuffled_epochs, tensors
from mlflow_hpo.objectives.keras.scorers import with_score
from mlflow_hpo.objectives.keras.seeding import reseeder
from mlflow_hpo.objectives.keras.weights import Snapshot, Weights
from mlflow_hpo.objectives.progress import as_numbers, check_metrics
from mlflow_hpo.objectives.sklearn import NO_SCORER, MetricScorer

BATCH = 32  # Keras's own default


@dataclass
class Fit:
    """Replaces `model.fit` during a unit.

    Whatever the user's code passes, the unit's epochs are trained, from where its checkpoint left off, and
    the study hears of them.

    Attributes:
        builders_callbacks: Keras callbacks that the builder adds.
        given: Keras callbacks that the study was given.
        fit_may_answer: the value may be what the user's own fit returns, instead of what an epoch reports.
        counted: the weights that count so far, if this process has them from the trial's last unit.
        weights: keeps those of the epoch whose value counts.
        scorer: computes the study's metric if training does not report it.
        requested_epochs: the `epochs` that we passed to the user's own fit; they are no limit.
        called, trained_on: whether the user's code called it, and the inputs that it passed last.
        heard: whether the end of an epoch was reported.
    """

    trial: Handle
    model: Any
    data: Data | None
    builders_callbacks: Sequence[Any] = ()
    given: Sequence[Any] = ()
    fit_may_answer: bool = False
    counted: InitVar[Snapshot | None] = None
    scorer: MetricScorer = NO_SCORER
    requested_epochs: int | None = None
    called: bool = False
    trained_on: Any = None
    heard: bool = False
    weights: Weights = field(init=False)

    def __post_init__(self, counted: Snapshot | None) -> None:
        averages = bool(getattr(self.model.optimizer, "use_ema", False))  # `fit` puts these in at its end
        self.weights = Weights(self.trial, self.model, counted, may_change=self.fit_may_answer or averages)

    def __call__(self, x: Any = None, y: Any = None, **given: Any) -> Any:
        """Trains the unit; takes what `keras.Model.fit` takes."""
        self.called, self.trained_on = True, x
        epochs = given.pop("epochs", None)
        if epochs is not None and int(epochs) != self.requested_epochs:
            self.trial.limit(int(epochs))
        users = self._users_callbacks(given)
        if not self.fit_may_answer:  # else the user's own fit was given them, to pass on
            users = [*self.given, *users]
        self.weights.may_change |= bool(users)
        ours: dict[str, Any] = {"epochs": self.trial.epochs, "initial_epoch": self.trial.start, "verbose": 0}
        ours["callbacks"] = [
            *self.builders_callbacks,
            *users,
            self._marked(reseeder(self.model, self.trial.seed)),
            self._reporter(),
        ]
        with gradients_unsummed(self.model):
            rows, traced = self._rows(x, y, given, users)
            with traced.used(self.trial.seed) if traced else nullcontext():
                return type(self.model).fit(self.model, **{**given, **rows, **ours})

    def rows(self) -> dict[str, Any]:
        """Returns the arguments of `fit` for the training rows and, if there are any, the validation rows."""
        batch = self.trial.config.get("batch_size")  # of a stream; else the builder passes it
        return {} if self.data is None else fit_arguments(self.model, self.data, batch)

    def callbacks(self) -> list[Any]:
        """Returns callbacks for the user's own fit or training loop, which calls them as Keras would."""
        return [*self.given, self._marked(reseeder(self.model, self.trial.seed)), self._reporter()]

    def scored(self, metrics: Mapping[str, float]) -> Mapping[str, float]:
        """Returns the metrics, and the study's metric if that is a scorer and not among them."""
        return with_score(metrics, self.scorer, self.model, self.data)

    def _users_callbacks(self, given: dict[str, Any]) -> list[Any]:
        """Takes the user's callbacks out of `given`, without ours, which a user's `fit` may pass on."""
        callbacks = given.pop("callbacks", None) or []
        callbacks = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        return [c for c in callbacks if getattr(c, "of_unit", None) is not self]

    def _rows(
        self, x: Any, y: Any, given: dict[str, Any], users: Sequence[Any]
    ) -> tuple[dict[str, Any], Epochs | None]:
        """Returns the arguments of `fit` for rows, and the epochs to run in one execution each, if any."""
        weights = given.pop("sample_weight", None)
        if self.data is not None and self.data.streams:
            given.pop("batch_size", None)
            given.setdefault(
                "shuffle", self.data.streams["train"].is_own
            )  # Keras shuffles only these batches
        if not self._are_ours(x, weights) or given.get("validation_split") or given.get("shuffle") is False:
            return {"x": x, "y": y} | ({} if weights is None else {"sample_weight": weights}), None
        batch = int(given.pop("batch_size", None) or BATCH)
        held_out = given.pop("validation_data", None)
        given.pop("validation_batch_size", None)
        ours = held_out is None or self._is_ours(held_out)
        if ours and is_fast() and is_plain(self.model, given, users):
            parts = tensors((x, y, weights)), held_out and tensors(held_out)
            if epochs := epochs_of(self.model, *parts, batch):
                return epochs.data(self.trial.start, self.trial.epochs), epochs
        held_out = batches(*held_out) if held_out and ours else held_out
        return self._batched((x, y, weights), batch, held_out), None

    def _are_ours(self, x: Any, weights: Any) -> bool:
        data = self.data
        return (
            data is not None and x is data.train.x and (weights is None or weights is data.training_weights)
        )

    def _is_ours(self, held_out: Any) -> bool:
        assert self.data is not None
        return isinstance(held_out, tuple) and held_out[0] is self.data.validation.x

    def _batched(self, columns: Rows, batch: int, held_out: Any) -> dict[str, Any]:
        """Returns the rows for Keras's own loop over batches."""
        steps = -(-count(columns[0]) // batch)
        _speed_up(self.model, steps, columns[1])
        epochs = shuffled_epochs(columns, batch, self.trial.seed, self.trial.start, self.trial.epochs)
        rows = {"x": epochs, "steps_per_epoch": steps, "shuffle": False}
        return rows if held_out is None else {**rows, "validation_data": held_out}

    def _reporter(self) -> Any:
        from keras.callbacks import LambdaCallback

        def report(epoch: int, logs: Any) -> None:
            self.heard = True
            if not self._goes_on(epoch + 1, self.scored(scalars(logs))):
                self.model.stop_training = True

        def begin(logs: Any) -> None:
            restore_states(self.given, self.trial)

        return self._marked(LambdaCallback(on_epoch_end=report, on_train_begin=begin))

    def _goes_on(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Reports an epoch; one without the metric is only shown if the user's fit may return that."""
        trial, metric = self.trial, self.trial.context.metric
        if epoch <= trial.start:
            return True
        if self.fit_may_answer and metric is not None and metric.name not in metrics:
            check_metrics("", epoch, trial.show(epoch, metrics))
            goes_on = epoch < trial.epochs
        else:
            goes_on = trial.report(epoch, metrics)
        self.weights.note(epoch)
        return goes_on

    def _marked(self, callback: Any) -> Any:
        callback.of_unit = self
        return callback


def _speed_up(model: Any, steps: int, y: Any) -> None:
    """Makes the first epoch cheap: one execution an epoch, every variable made beforehand."""
    if not is_fast() or model.run_eagerly or model.steps_per_execution != 1:
        return
    model.steps_per_execution = steps
    with suppress(Exception):  # a model of another shape is traced twice
        make_variables(model, y)


def scalars(logs: Any) -> dict[str, float]:
    """Returns those of the values that Keras logged that are single numbers."""
    return as_numbers({k: v for k, v in (logs or {}).items() if np.ndim(v) == 0})
