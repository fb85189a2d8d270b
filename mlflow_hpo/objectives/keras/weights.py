"""The weights of the epoch whose value counts, kept while a model trains on.

A checkpoint holds the weights of the last epoch, from which a promotion goes on. The model that is logged has
those of the epoch whose value counts; if that is another epoch, the checkpoint holds them as well.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from mlflow_hpo.objectives.handle import Handle

FILE = "counted_weights.joblib"
NEW_FILE = "new_counted_weights.joblib"  # of a unit under way: those of earlier units may yet count
LAST_FILE = "last_weights.joblib"
OWN_LOOP = "own_loop"  # marks the checkpoint of a model that was trained by a loop of the user's
IN_MEMORY_BYTES = 256 << 20  # the weights of a larger model are kept on the disk


@dataclass(frozen=True)
class Snapshot:
    """The weights of a model at one moment: arrays in memory, or a file that holds them."""

    weights: list[Any] | Path

    @classmethod
    def of(cls, model: Any, file: Path) -> Self:
        """Copies the weights of a model; into the file, if they are large."""
        arrays = model.get_weights()
        if sum(array.nbytes for array in arrays) <= IN_MEMORY_BYTES:
            return cls(arrays)
        _dump(arrays, file)
        return cls(file)

    def put_into(self, model: Any) -> None:
        """Gives a model these weights."""
        model.set_weights(_load(self.weights) if isinstance(self.weights, Path) else self.weights)

    def saved(self, file: Path) -> Self:
        """Writes the weights to a file, or moves theirs there; returns them as they are kept now."""
        if isinstance(self.weights, list):
            _dump(self.weights, file)
            return self
        return type(self)(self.weights.replace(file))


class Weights:
    """Follows the weights of a model while one unit of its trial trains.

    Attributes:
        may_change: the user's code may change the weights after an epoch was reported.
        counted: the weights of the epoch whose value counts; None: the model's own at the last epoch, or
            those in the checkpoint that the unit started from.
    """

    def __init__(self, trial: Handle, model: Any, counted: Snapshot | None, may_change: bool) -> None:
        """Sets up before the unit trains.

        Args:
            counted: as this process still has it from the trial's last unit.
        """
        self._trial, self._model, self.may_change = trial, model, may_change
        self._folder = trial.context.folder
        self._last: Snapshot | None = None
        self.counted, self._counted_epoch = counted, trial.best_epoch
        goes_on = trial.start and not (self._folder / OWN_LOOP).exists()
        if goes_on and trial.best_epoch == trial.start:
            self.counted = Snapshot.of(model, self._folder / FILE)
        self._earlier = self.counted

    def note(self, epoch: int) -> None:
        """Keeps the weights after an epoch that was reported, if they may be wanted."""
        if self.may_change:
            self._last = Snapshot.of(self._model, self._folder / LAST_FILE)
        if epoch == self._trial.best_epoch:
            is_end = epoch == self._trial.epochs and not self.may_change
            self.counted = None if is_end else Snapshot.of(self._model, self._folder / NEW_FILE)
            self._counted_epoch = epoch

    def count_as_left(self) -> None:
        """Makes the weights count that the user's code left in the model."""
        self.counted, self._counted_epoch = Snapshot.of(self._model, self._folder / NEW_FILE), None

    def count_earlier(self) -> None:
        """Makes the weights count that counted before this unit."""
        self.counted, self._counted_epoch = self._earlier, self._trial.best_epoch

    def count_last(self) -> None:
        """Makes the weights of the last epoch count."""
        self.counted, self._counted_epoch = self._last, self._trial.reached

    def save(self, always: bool) -> None:
        """Puts the last epoch's weights back into the model, and writes those that count if they are others.

        Args:
            always: write them in any case, as the trial's next unit begins from nothing.
        """
        if self._last is not None:
            self._last.put_into(self._model)
        (self._folder / LAST_FILE).unlink(missing_ok=True)
        if self.is_last_counted:
            self.counted = None
            if always:
                Snapshot.of(self._model, self._folder / FILE).saved(self._folder / FILE)
            else:
                (self._folder / FILE).unlink(missing_ok=True)
        elif self.counted is not None:
            self.counted = self.counted.saved(self._folder / FILE)
        else:  # the next unit may find the model held, and its checkpoint not fetched
            self.counted = Snapshot(_load(self._folder / FILE))
        (self._folder / NEW_FILE).unlink(missing_ok=True)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Gives the model the weights that count, for a while."""
        if self.is_last_counted:
            yield
            return
        last = Snapshot.of(self._model, self._folder / LAST_FILE)
        (self.counted or Snapshot(self._folder / FILE)).put_into(self._model)
        try:
            yield
        finally:
            last.put_into(self._model)
            (self._folder / LAST_FILE).unlink(missing_ok=True)

    @property
    def is_last_counted(self) -> bool:
        """Tells whether the value of the last epoch counts, with the weights that it ended with."""
        if self._trial.best_epoch is None and self.counted is None:
            return True
        return self._counted_epoch == self._trial.reached


def _dump(arrays: list[Any], file: Path) -> None:
    import joblib

    joblib.dump(arrays, file)


def _load(file: Path) -> Any:
    import joblib

    return joblib.load(file)
