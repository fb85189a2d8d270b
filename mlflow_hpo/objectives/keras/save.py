"""Logs Keras models such that loading them needs nothing of the user's code or of ours."""

from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from mlflow_hpo.data.preprocess import ModelInputs
from mlflow_hpo.hardware import versions
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.keras.internals import layers_of

EXAMPLE_ROWS = 2
CLASS_NAMES = "class_names"  # in the model's metadata
PACKAGES = ("mlflow", "tensorflow", "keras", "numpy")
SERVING = Path(__file__).with_name("serving.py")


def log(trial: Handle, model: Any, rows: ModelInputs) -> None:
    """Logs a model, with the preprocessing of its table if there is one."""
    if rows.raw is None or rows.data is None:
        trial.log_model("keras", model, pip_requirements=_requirements())
    elif rows.transformer is not None:
        _log_with_table(trial, model, rows)
    else:
        example = rows.data.train.x[:EXAMPLE_ROWS]
        exported = {"save_exported_model": True} if _is_foreign(model) else {}
        with redirect_stdout(StringIO()):  # Keras describes what it exports
            trial.log_model(
                "keras",
                model,
                inputs=example,
                outputs=_answers(model, example),
                pip_requirements=_requirements(),
                metadata=_classes(rows),
                **exported,
            )


def _log_with_table(trial: Handle, model: Any, rows: ModelInputs) -> None:
    import joblib

    assert rows.raw is not None
    assert rows.data is not None
    with TemporaryDirectory() as folder:
        files = {"model": _saved(model, Path(folder)), "preprocess": Path(folder) / "preprocess.joblib"}
        joblib.dump(rows.transformer, files["preprocess"])
        trial.log_model(
            "pyfunc",
            str(SERVING),
            inputs=rows.raw.train.x.head(EXAMPLE_ROWS),
            outputs=_answers(model, rows.data.train.x[:EXAMPLE_ROWS]),
            artifacts={name: str(file) for name, file in files.items()},
            metadata=_classes(rows),
            pip_requirements=_requirements("scikit-learn", "pandas"),
        )


def _saved(model: Any, folder: Path) -> Path:
    """Saves the model as a file, or as the folder of its graph if a file would need the user's code."""
    if not _is_foreign(model):
        model.save(folder / "model.keras")
        return folder / "model.keras"
    with redirect_stdout(StringIO()):
        model.export(folder / "model", verbose=False)
    return folder / "model"


def _classes(rows: ModelInputs) -> dict[str, Any] | None:
    """Returns the names of the classes, which are the columns of the predictions, if they have names."""
    return {CLASS_NAMES: list(rows.raw.labels)} if rows.raw and rows.raw.labels else None


def _answers(model: Any, example: Any) -> Any:
    """Returns an example of its predictions."""
    shape = getattr(model, "output_shape", None)
    return (
        np.zeros((len(example), *shape[1:]), np.float32)
        if isinstance(shape, tuple)
        else model.predict(example, verbose=0)
    )


def _is_foreign(model: Any) -> bool:
    """Tells whether Keras needs the user's code to load it from a file, or refuses to, for safety."""
    layers = layers_of(model)
    losses = [loss for loss in _listed(model.loss) if not isinstance(loss, str)]
    homes = [_home(part) for part in (model, *layers, *losses, model.optimizer) if part is not None]
    return any(not home.startswith("keras.") for home in homes) or any(
        type(layer).__name__ == "Lambda" for layer in layers
    )


def _listed(loss: Any) -> list[Any]:
    if isinstance(loss, dict):
        return list(loss.values())
    return list(loss) if isinstance(loss, list | tuple) else [loss]


def _home(part: Any) -> str:
    """Returns the module that a layer's class, or a function, comes from."""
    return str(
        getattr(part, "__module__", None)
        if callable(part) and hasattr(part, "__name__")
        else type(part).__module__
    )


def _requirements(*more: str) -> list[str]:
    return [f"{k}=={v}" for k, v in versions(*PACKAGES, *more).items()]
