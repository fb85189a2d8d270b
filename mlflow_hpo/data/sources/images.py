"""A folder of images with a folder for each class in it, as Keras reads it."""

from pathlib import Path
from typing import Any

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.errors import ConfigError, DataError, one_line

PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
BATCH = 256  # images


def check(spec: DataSpec) -> None:
    """Raises ConfigError if a part's folder does not hold a folder for each class."""
    for folder in _part_folders(Path(spec.name)).values():
        classes = _subfolders(folder)
        if len(classes) < 2:
            listed = f"is only {classes[0].name!r}" if classes else "are none"
            raise ConfigError(
                f"data {str(folder)!r}: expected a folder for each class in it, at least two; there {listed}"
            )


def load(spec: DataSpec) -> RawData:
    """Loads the images as arrays of shape (rows, image_size, image_size, 3), from 0 to 1.

    Raises:
        DataError: an image cannot be read, or there are none.
    """
    folders = _part_folders(Path(spec.name))
    parts = {name: _images(folder, spec.image_size) for name, folder in folders.items()}
    return RawData(spec.name, **parts, task=CLASSIFICATION)


def _part_folders(folder: Path) -> dict[str, Path]:
    """Returns the folder of each part, or the one folder of all rows if there are no folders of parts."""
    subfolders = _subfolders(folder)
    if "train" in {f.name for f in subfolders} <= set(PARTS) and _subfolders(folder / "train"):
        return {PARTS[f.name]: f for f in subfolders}
    return {"train": folder}


def _subfolders(folder: Path) -> list[Path]:
    return sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))


def _images(folder: Path, size: int) -> RawRows:
    from keras.utils import image_dataset_from_directory

    options: dict[str, Any] = {"image_size": (size, size), "shuffle": False, "batch_size": BATCH}
    try:
        images = image_dataset_from_directory(folder, verbose=False, **options)
        batches = [(np.asarray(x, np.float32) / 255, np.asarray(y)) for x, y in images]
    except Exception as error:  # TensorFlow's errors are not imported for this
        raise DataError(f"data {str(folder)!r} cannot be read as images: {one_line(error)}") from None
    x, y = (np.concatenate(arrays) for arrays in zip(*batches, strict=True))
    return RawRows(x, np.array(images.class_names, object)[y])
