"""Arrays in a NumPy file, `.npz`. Pickles in it are not read."""

from zipfile import BadZipFile

import numpy as np

from mlflow_hpo.data.base import DataSpec
from mlflow_hpo.data.sources.base import RawData, RawRows, in_parts
from mlflow_hpo.data.sources.files import file_of
from mlflow_hpo.errors import DataError, one_line

SUFFIXES = (".npz",)
KEYS = (  # of the arrays, in each layout
    (("x", "y"),),
    (("X", "y"),),
    (("x_train", "y_train"), ("x_test", "y_test")),
    (("x_train", "y_train"), ("x_val", "y_val"), ("x_test", "y_test")),
)
EXPECTED = "x and y; or x_train, y_train, x_test, y_test, and x_val, y_val where wanted"


def check(spec: DataSpec) -> None:
    """Raises ConfigError if there is no such file."""
    file_of(spec)


def load(spec: DataSpec) -> RawData:
    """Loads the arrays of a file.

    Raises:
        DataError: it cannot be read, or holds other arrays than those expected.
    """
    try:
        with np.load(file_of(spec), allow_pickle=False) as file:
            for keys in KEYS:
                if {key for pair in keys for key in pair} == set(file):
                    return in_parts([RawRows(file[x], file[y]) for x, y in keys], spec.name)
            names = ", ".join(file) or "nothing"
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise DataError(f"{spec.title} cannot be read: {one_line(error)}") from None
    raise DataError(f"{spec.title} holds {names}: expected {EXPECTED}")
