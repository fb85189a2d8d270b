"""A folder of images with a folder for each class in it, as Keras reads it.

The images are read into memory if they take little of it; otherwise they are a stream, of which only the
names of the files are known.
"""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from mlflow_hpo.data.base import CLASSIFICATION, DataSpec, Part
from mlflow_hpo.data.clean import cleaned
from mlflow_hpo.data.parts import in_parts
from mlflow_hpo.data.sources.base import RawData, RawRows
from mlflow_hpo.data.stream import Stream
from mlflow_hpo.data.streams import Counted, RawStreams
from mlflow_hpo.data.weights import check_class_weight, training_weights
from mlflow_hpo.errors import ConfigError, DataError, one_line

PARTS = {"train": "train", "val": "validation", "validation": "validation", "test": "test"}
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")  # those that Keras reads
BATCH = 256  # images that are read at once
CHANNELS, BYTES = 3, 4  # of a pixel, of a number
MOST_BYTES = 1 << 30  # of images in memory
TRAINED_AT_ONCE = 32  # images of a stream
READERS = 2  # threads that read images while others are trained on


def check(spec: DataSpec) -> None:
    """Raises ConfigError if a part's folder does not hold a folder for each class."""
    for folder in _part_folders(Path(spec.name)).values():
        classes = _subfolders(folder)
        if len(classes) < 2:
            listed = f"is only {classes[0].name!r}" if classes else "are none"
            raise ConfigError(
                f"data {str(folder)!r}: expected a folder for each class in it, at least two; there {listed}"
            )


def load(spec: DataSpec) -> RawData | RawStreams:
    """Loads the images as arrays of shape (rows, image_size, image_size, 3), from 0 to 1; or as streams.

    Raises:
        DataError: an image cannot be read, or there are none.
    """
    folders = _part_folders(Path(spec.name))
    files = {name: _files(folder) for name, folder in folders.items()}
    images = sum(len(rows.x) for rows in files.values())
    if images * spec.image_size**2 * CHANNELS * BYTES > MOST_BYTES:
        return _streams(spec, RawData(spec.name, **files, task=CLASSIFICATION))
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


def _files(folder: Path) -> RawRows:
    """Returns the names of the files, and the class of each."""
    pairs = [
        (str(file), classes.name)
        for classes in _subfolders(folder)
        for file in sorted(classes.rglob("*"))
        if file.suffix.lower() in SUFFIXES
    ]
    files, classes = zip(*pairs, strict=True) if pairs else ((), ())
    return RawRows(np.array(files, object), np.array(classes, object))


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


def _streams(spec: DataSpec, files: RawData) -> RawStreams:
    """Returns the images as streams: the names of the files are split into parts, as rows would be."""
    parts, labels, classes = cleaned(files, CLASSIFICATION)
    check_class_weight(spec.class_weight, labels, parts["train"].y)
    cut, _ = in_parts(spec, parts, None, labels)
    weights = training_weights(spec.class_weight, cut[0].y, None, labels)
    streams = {
        name: Stream(_dataset(part, spec, weights if name == "train" else None, name == "train"), spec.name)
        for name, part in zip(("train", "validation", "test"), cut, strict=True)
    }
    counted = Counted(classes, len(cut[0]), _digest(cut, spec.image_size))
    return RawStreams(spec.name, streams, labels, counted)


def _digest(parts: Sequence[Part], size: int) -> str:
    """Returns `Data.digest`: of the names of the files and how long they are."""
    files = [[(*Path(name).parts[-2:], Path(name).stat().st_size) for name in _names(part)] for part in parts]
    return sha256(repr((size, files)).encode()).hexdigest()[:12]


def _names(part: Part) -> list[str]:
    return [str(name) for name in part.x.iloc[:, 0]]


def _dataset(part: Part, spec: DataSpec, weights: Any, shuffles: bool) -> Any:
    """Returns batches of images, which are read when they are wanted."""
    import tensorflow as tf

    def read(name: Any, *others: Any) -> Any:
        image = tf.io.decode_image(tf.io.read_file(name), CHANNELS, expand_animations=False)
        image = tf.image.resize(image, (spec.image_size, spec.image_size))
        image.set_shape((spec.image_size, spec.image_size, CHANNELS))
        return (image / 255, *others)

    columns = (_names(part), part.y) if weights is None else (_names(part), part.y, weights)
    rows = tf.data.Dataset.from_tensor_slices(columns)
    if shuffles:
        rows = rows.shuffle(len(part), spec.seed)
    return rows.map(read, READERS).batch(TRAINED_AT_ONCE).prefetch(1)
