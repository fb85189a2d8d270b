"""A folder of images, one folder in it for each class, as Keras reads it."""

from pathlib import Path
from typing import Any

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, DataSpec, Found, Rows, line
from mlflow_hpo.errors import ConfigError, DataError

PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
AT_ONCE = 256  # images


def check(spec: DataSpec) -> None:
    """Raise ConfigError where a folder holds no folders of classes."""
    for folder in _folders(Path(spec.name)).values():
        if len(_inside(folder)) < 2:
            raise ConfigError(
                f"data {str(folder)!r}: expected a folder for each class in it, at least two; "
                f"there {_listed(_inside(folder))}"
            )


def load(spec: DataSpec) -> Found:
    """Load the images as arrays of shape (rows, image_size, image_size, 3), from 0 to 1.

    Raises:
        DataError: an image cannot be read, or there are none.
    """
    parts = {name: _images(folder, spec.image_size) for name, folder in _folders(Path(spec.name)).items()}
    return Found(spec.name, **parts, task=CLASSIFICATION)


def _folders(folder: Path) -> dict[str, Path]:
    """The folder of each part; one of all rows where the folders in it are not named after parts."""
    inside = _inside(folder)
    if "train" in {f.name for f in inside} <= set(PARTS) and _inside(folder / "train"):
        return {PARTS[f.name]: f for f in inside}
    return {"train": folder}


def _inside(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _listed(folders: list[Path]) -> str:
    return f"is only {folders[0].name!r}" if folders else "are none"


def _images(folder: Path, size: int) -> Rows:
    from keras.utils import image_dataset_from_directory

    options: dict[str, Any] = {"image_size": (size, size), "shuffle": False, "batch_size": AT_ONCE}
    try:
        images = image_dataset_from_directory(folder, verbose=False, **options)
        batches = [(np.asarray(x, np.float32) / 255, np.asarray(y)) for x, y in images]
    except Exception as error:  # TensorFlow's own, whose names are not imported for this
        raise DataError(f"data {str(folder)!r} cannot be read as images: {line(error)}") from None
    x, y = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return Rows(x, np.array(images.class_names, object)[y])
