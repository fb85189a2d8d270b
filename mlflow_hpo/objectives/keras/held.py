"""The model of a unit: built new, restored from a checkpoint, or still held from the trial's last unit."""

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from mlflow_hpo.data.preprocess import ModelInputs
from mlflow_hpo.data.structure import each, taken
from mlflow_hpo.errors import TrialError
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.builders import Builder
from mlflow_hpo.objectives.keras.internals import is_fast, layers_of, names_given, restore_names
from mlflow_hpo.objectives.keras.seeding import begin, go_on
from mlflow_hpo.objectives.keras.weights import OWN_LOOP, Snapshot

FILE = "model.weights.h5"
MAX_HELD = 8  # models that a worker keeps for units to come
MAX_PARAMETERS = 5_000_000  # of a model that is kept

Held = tuple[Any, Snapshot | None]  # a model, and the weights that count if they are not its own
_held: dict[tuple[str, int], Held] = {}  # (run, epochs) -> a model whose trial may go on here
_names: WeakKeyDictionary[Any, dict[str, int]] = WeakKeyDictionary()  # those given until a model was built


def built(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    """Returns a new model, seeded and named as the first one of a fresh process."""
    begin(trial.seed, keep=bool(_held))
    return assembled(builder, trial, rows)


def assembled(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    """Returns a new model as `built` does, but changes no random generator and no name of this process."""
    model = builder.build(trial.config, rows.data)
    if rows.data is not None:
        make_weights(model, rows.data.train.x)
    if is_fast():
        _names[model] = names_given()
    return model


def make_weights(model: Any, x: Any) -> None:
    """Has a model make its weights for batches of any size, as Keras does when it begins to train it."""
    if model.built:
        return
    try:
        model(symbols(x))
    except Exception as error:
        try:
            model(taken(x, slice(1)))  # it must see numbers
        except Exception:
            if _is_half_built(model):
                raise error from None
            raise


def _is_half_built(model: Any) -> bool:
    """Tells whether a model would complain of an earlier attempt to build it, not of what is wrong."""
    import keras

    return any(isinstance(layer, keras.Sequential) for layer in layers_of(model))


def symbols(x: Any) -> Any:
    """Returns what stands for any number of rows like these while Keras looks at what a model does."""
    import keras

    return each(lambda one: keras.Input(one.shape[1:], dtype=dtype_of(one)), x)


def dtype_of(array: Any) -> str:
    """Returns what Keras calls the type of an array's values."""
    return "string" if array.dtype == object else str(array.dtype)


def prepared(builder: Builder, trial: Handle, rows: ModelInputs) -> Held:
    """Returns a new model, or the model of the checkpoint: the one that is held, or one with its weights."""
    unit = trial.context
    held = _held.pop((unit.run_id, unit.start), None) if unit.source_id == unit.run_id else None
    if held is not None:
        go_on(trial.seed)
        restore_names(_names[held[0]])  # a metric that the user's `fit` makes is called as in the first unit
        return held
    return (_restored(builder, trial, rows) if trial.start else built(builder, trial, rows)), None


def hold(trial: Handle, model: Any, counted: Snapshot | None) -> None:
    """Keeps the model for the trial's next unit: it is traced, and need not be restored."""
    if not is_fast() or model.run_eagerly or model.count_params() > MAX_PARAMETERS:
        return
    _held[(trial.context.run_id, trial.reached)] = (model, counted)
    while len(_held) > MAX_HELD:
        _held.pop(next(iter(_held)))


def clear() -> None:
    """Drops all models that are held."""
    _held.clear()


def _restored(builder: Builder, trial: Handle, rows: ModelInputs) -> Any:
    """Builds a model and loads its weights: so custom layers and losses need no registration with Keras."""
    file = trial.checkpoint / FILE
    if not file.exists():
        raise TrialError(f"the checkpoint of epoch {trial.start} holds no {FILE}")
    model = built(builder, trial, rows)
    is_same_trial = trial.context.source_id == trial.context.run_id
    if is_same_trial and file.with_name(OWN_LOOP).exists():
        return model  # the loop cannot be told where to begin, and trains all epochs again
    return with_weights(model, file, is_same_trial)


def with_weights(model: Any, file: Path, is_same_trial: bool = True) -> Any:
    """Loads a model's weights and its optimizer's state from a file, and returns the model.

    Args:
        is_same_trial: it is to go on with the learning rate that it had there.
    """
    if model.optimizer is not None:
        model.optimizer.build(model.trainable_variables)
        rate = model.optimizer.get_config().get("learning_rate")
    model.load_weights(file)
    if not is_same_trial and isinstance(rate, float):
        model.optimizer.learning_rate.assign(rate)  # a copy of another trial has its own
    return model
