"""Keras callbacks that a study was given: made for each training, their counts kept between units."""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from inspect import isfunction
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_hpo.errors import SetupError
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.user_code import load_code, load_reference

FILE = "callbacks.joblib"  # of the checkpoint
PLAIN = (int, float, str, bool, np.generic, np.ndarray, np.ufunc, type(None))
OURS = ("model", "_model", "_params", "params", "of_unit")  # attributes that Keras or this package sets


@dataclass(frozen=True)
class Callbacks:
    """The callbacks of a study.

    Attributes:
        reference: names a list of them, or a function that returns one; empty: there are none.
        code: the digest of what was given from Python instead (`user_code.load_code`); or empty.
        of_model: those that the model brings itself.
    """

    reference: str = ""
    code: str = ""
    of_model: tuple[Any, ...] = ()

    def made(self, trial: Handle) -> list[Any]:
        """Returns new callbacks for a training, whose files lie in folders of its own.

        Raises:
            SetupError: they are no Keras callbacks, or one of them would interfere with the study.
        """
        callbacks = [*deepcopy(self.of_model), *self._of_study()]
        for callback in callbacks:
            _check(callback)
            _separate(callback, trial)
        return callbacks

    def _of_study(self) -> list[Any]:
        if not self.reference:
            return []
        target = (
            load_code(self.code, "callbacks") if self.code else load_reference(self.reference, "callbacks")
        )
        made = target() if callable(target) else deepcopy(target)
        return [*made] if isinstance(made, list | tuple) else [made]


NO_CALLBACKS = Callbacks()


def keep_states(callbacks: Sequence[Any], folder: Path) -> None:
    """Leaves in a checkpoint what the callbacks have counted, such as the epochs without a better value."""
    import joblib

    if callbacks:
        joblib.dump([_state(callback) for callback in callbacks], folder / FILE)


def restore_states(callbacks: Sequence[Any], trial: Handle) -> None:
    """Makes callbacks go on where those of the trial's last unit were; at its beginning Keras resets them."""
    import joblib

    if not callbacks or not trial.start or not (file := trial.checkpoint / FILE).exists():
        return
    for callback, state in zip(callbacks, joblib.load(file), strict=True):
        vars(callback).update(state)


def _state(callback: Any) -> dict[str, Any]:
    from keras.callbacks import CSVLogger

    if isinstance(callback, CSVLogger):  # its state is its file
        return {}
    return {name: value for name, value in vars(callback).items() if name not in OURS and _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    of_keras = isfunction(value) and value.__module__.startswith("keras.")  # such as what compares values
    return of_keras or isinstance(value, PLAIN)


def _check(callback: Any) -> None:
    from keras.callbacks import BackupAndRestore, Callback

    if not isinstance(callback, Callback):
        raise SetupError(f"callbacks: {callback!r:.100} is no Keras callback, but of {type(callback)}")
    if isinstance(callback, BackupAndRestore):
        raise SetupError("callbacks: leave out BackupAndRestore: trials go on from checkpoints of their own")


def _separate(callback: Any, trial: Handle) -> None:
    """Puts a callback's files into a folder that is named by the run, as trials are trained side by side."""
    from keras.callbacks import CSVLogger, ModelCheckpoint, TensorBoard

    run = trial.context.run_id
    if not run:  # it is only tried
        return
    if isinstance(callback, TensorBoard):
        callback.log_dir = str(Path(callback.log_dir) / run)
    elif isinstance(callback, ModelCheckpoint):
        callback.filepath = _in_folder(callback.filepath, run)
    elif isinstance(callback, CSVLogger):
        callback.filename = _in_folder(callback.filename, run)
        callback.append = bool(callback.append or trial.start)


def _in_folder(file: Any, run: str) -> str:
    folder = Path(file).parent / run
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder / Path(file).name)
