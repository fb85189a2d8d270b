"""Logs Keras models such that loading them needs nothing of the user's code or of ours."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mlflow_hpo.data.preprocess import ModelInputs
from mlflow_hpo.data.structure import count, each, is_several, taken
from mlflow_hpo.hardware import versions
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.held import FILE, dtype_of, symbols
from mlflow_hpo.objectives.keras.inputs import input_names
from mlflow_hpo.objectives.keras.portable import can_be_compiled, can_be_loaded, uncompiled
from mlflow_hpo.objectives.keras.rows import first_rows

EXAMPLE_ROWS = 2
CLASS_NAMES = "class_names"  # in the model's metadata
PACKAGES = ("mlflow", "tensorflow", "keras", "numpy")
SERVING = Path(__file__).with_name("served_keras.py")
# Where the weights lie in a logged model: in Keras's own archive, or beside the exported graph.
ARCHIVE, WEIGHTS = "data/model.keras", f"data/{FILE}"


def log(trial: Handle, model: Any, rows: ModelInputs, trained_on: Any = None) -> None:
    """Logs a model, with the preprocessing of its table if there is one.

    Args:
        trained_on: the inputs that the user's code passed to `fit`, for a model that brings its data.
    """
    if rows.transformer is not None:
        _log_with_table(trial, model, rows)
        return
    example = _example(model, rows, trained_on)
    answers = None if example is None else _answers(model, example)
    inputs = _by_name(example, input_names(model), "input")
    described = {} if example is None else {"inputs": inputs, "outputs": answers}
    if isinstance(inputs, dict) or isinstance(answers, dict):
        described["loader"] = SERVING
    with redirect_stdout(StringIO()), _to_save(model, example) as (saved, how):  # Keras tells what it exports
        trial.log_model(
            "keras", saved, **described, **how, pip_requirements=_requirements(), metadata=_classes(rows)
        )


@contextmanager
def _to_save(model: Any, example: Any) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Gives what is to be saved in place of a model so that it can be loaded anywhere, and how."""
    alone = can_be_loaded(model)
    served = None if alone or example is None else _as_served(model, example)
    if served is None:
        with nullcontext() if alone and can_be_compiled(model) else uncompiled(model):
            yield model, {}
        return
    with TemporaryDirectory() as folder:
        weights = Path(folder) / FILE
        model.save_weights(weights)
        yield served, {"save_exported_model": True, "files": {WEIGHTS: weights}}


def _log_with_table(trial: Handle, model: Any, rows: ModelInputs) -> None:
    import joblib

    assert rows.raw is not None
    assert rows.data is not None
    example = taken(rows.data.train.x, slice(EXAMPLE_ROWS))
    with TemporaryDirectory() as folder:
        files = {
            "model": _saved(model, example, Path(folder)),
            "preprocess": Path(folder) / "preprocess.joblib",
        }
        joblib.dump(rows.transformer, files["preprocess"])
        answers = _answers(model, example)
        trial.log_model(
            "pyfunc",
            str(SERVING),
            inputs=rows.raw.train.x.head(EXAMPLE_ROWS),
            outputs=answers,
            model_config={"outputs": list(answers)} if isinstance(answers, dict) else None,
            artifacts={name: str(file) for name, file in files.items()},
            metadata=_classes(rows),
            pip_requirements=_requirements("scikit-learn", "pandas"),
        )


def _saved(model: Any, example: Any, folder: Path) -> Path:
    """Saves the model as a file, or as the folder of its graph if a file would need the user's code."""
    served = None if can_be_loaded(model) else _as_served(model, example)
    if served is None:
        with uncompiled(model):  # it is only to predict
            model.save(folder / "model.keras")
        return folder / "model.keras"
    with redirect_stdout(StringIO()):
        served.export(folder / "model", verbose=False, input_signature=_signature(example))
    return folder / "model"


def _signature(example: Any) -> list[Any]:
    """Returns the shapes and types of the inputs, one by one: Keras may take all for numbers."""
    import keras

    specs = list[Any]()
    each(lambda x: specs.append(keras.InputSpec(shape=(None, *x.shape[1:]), dtype=dtype_of(x))), example)
    return specs


def _as_served(model: Any, example: Any) -> Any:
    """Returns a model that answers as `predict` does: the user's may take itself to be training.

    It takes several inputs one by one, in the order of the example. It is None if only Python can run the
    model: where that is loaded, the user's code must be at hand.
    """
    import keras

    class Served(keras.Model):  # type: ignore[misc]
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def call(self, x: Any) -> Any:
            return self.model(x, training=False)

    class ServedOneByOne(Served):
        def call(self, *columns: Any) -> Any:
            following = iter(keras.tree.flatten(columns))  # TensorFlow's own endpoint gives them as a tuple
            return self.model(each(lambda _: next(following), example), training=False)

    served, columns = (ServedOneByOne if is_several(example) else Served)(model), list[Any]()
    each(columns.append, symbols(example))
    try:
        served(*columns)
    except Exception:
        return None
    return served


def weights_of(files: Path) -> Path:
    """Returns the file with the weights of a logged model, whose files lie in a folder."""
    return next(files / path for path in (WEIGHTS, ARCHIVE) if (files / path).exists())


def _example(model: Any, rows: ModelInputs, trained_on: Any) -> Any:
    """Returns a few rows that the model takes; None if nothing tells."""
    x = rows.data.train.x if rows.data is not None else trained_on
    if (first := first_rows(x, EXAMPLE_ROWS)) is not None:
        return first
    inputs = getattr(model, "inputs", None) or []
    shapes = [tuple(tensor.shape[1:]) for tensor in inputs]
    if len(shapes) != 1 or None in shapes[0] or inputs[0].dtype == "string":
        return None
    return np.zeros((EXAMPLE_ROWS, *shapes[0]), inputs[0].dtype)


def _by_name(values: Any, names: Sequence[str], word: str) -> Any:
    """Returns several inputs or outputs by their names, as MLflow describes them; without names, numbered."""
    if not isinstance(values, list | tuple):
        return values
    names = names if len(names) == len(values) else [f"{word}_{number}" for number in range(len(values))]
    return dict(zip(names, values, strict=True))


def _classes(rows: ModelInputs) -> dict[str, Any] | None:
    """Returns the names of the classes, which are the columns of the predictions, if they have names."""
    return {CLASS_NAMES: list(rows.raw.labels)} if rows.raw and rows.raw.labels else None


def _answers(model: Any, example: Any) -> Any:
    """Returns an example of its predictions."""
    shape = getattr(model, "output_shape", None)
    if isinstance(shape, tuple):
        return np.zeros((count(example), *shape[1:]), np.float32)
    return _by_name(model.predict_on_batch(example), getattr(model, "output_names", []), "output")


def _requirements(*more: str) -> list[str]:
    import keras

    return [f"{k}=={v}" for k, v in versions(*PACKAGES, keras.backend.backend(), *more).items()]
