"""Tables made ready for models that take arrays."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.data.preprocess import needs_preprocessing, prepared
from mlflow_hpo.errors import SetupError

AUTO, NONE = "auto", "none"
PREPROCESS = (AUTO, NONE)


@dataclass(frozen=True, eq=False)
class Ready:
    """Data as a model takes them.

    Attributes:
        raw: as they came.
        transformer: what made arrays of them, fitted on the training rows; None where nothing did.
    """

    data: Data | None
    raw: Data | None
    transformer: Any = None


def ready(data: Data | None, preprocess: str) -> Ready:
    """The data as arrays.

    Raises:
        SetupError: they are not numbers alone, and nothing is to be done about it.
    """
    if data is None or not data.is_table:
        return Ready(data, data)
    if preprocess == AUTO:
        arrays, transformer = prepared(data)
        return Ready(arrays, data, transformer)
    if reason := needs_preprocessing(data):
        raise SetupError(
            f"data {data.name!r} cannot be trained on as they are: {reason}; give preprocess: auto"
        )
    return Ready(_as_numbers(data), data)


@lru_cache(maxsize=2)
def _as_numbers(data: Data) -> Data:
    return data.mapped(_numbers)


def _numbers(part: Part) -> Part:
    return Part(np.asarray(part.x, dtype=np.float32), part.y)
