"""Turns data into arrays of numbers that a model can train on."""

import math
import warnings
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data.base import AUTO, Data, Part
from mlflow_hpo.data.structure import is_several
from mlflow_hpo.errors import DataError, SetupError, one_line


@dataclass(frozen=True, eq=False)
class ModelInputs:
    """Data as a model takes them.

    Attributes:
        data: arrays, or raw columns if the model does its own preprocessing. None: it needs no data.
        raw: the data as they were loaded.
        transformer: makes `data` of `raw`, fitted on the training part; of several inputs a dict with one for
            each; None if `raw` was not a table.
    """

    data: Data | None
    raw: Data | None
    transformer: Any = None


def model_inputs(data: Data | None, preprocess: str) -> ModelInputs:
    """Returns the data as arrays of numbers.

    Args:
        preprocess: `auto`: tables are preprocessed; `none`: their columns are taken as they are.

    Raises:
        SetupError: the columns are not all numbers, and `preprocess` is `none`.
        DataError: the columns cannot be made numbers.
    """
    if data is None or not data.is_table:
        return ModelInputs(data, data)
    if preprocess == AUTO:
        arrays, transformer = preprocessed(data)
        return ModelInputs(arrays, data, transformer)
    if reason := needs_preprocessing(data):
        raise SetupError(f"{data.title} cannot be trained on as they are: {reason}; give preprocess: auto")
    return as_they_are(data)


def needs_preprocessing(data: Data) -> str:
    """Says why a model that takes only numbers cannot be trained on a table; "" if it can."""
    if not data.is_table:
        return ""
    from pandas.api.types import is_numeric_dtype

    tables = [part.x for part in (data.train, data.validation, data.test)]
    for name in data.train.x.columns:
        if not all(is_numeric_dtype(x[name].dtype) for x in tables):
            return f"column {name!r} holds no numbers"
    for name in data.train.x.columns:
        if missing := sum(int(x[name].isna().sum()) for x in tables):
            return f"column {name!r} has {missing} missing values"
    return ""


@lru_cache(maxsize=2)
def preprocessed(data: Data) -> tuple[Data, Any]:
    """Turns a table into arrays; the last two results are kept.

    Returns:
        The data, float32 of shape (rows, features) in each part, and the fitted ColumnTransformer, which
        takes a DataFrame of raw rows.

    Raises:
        DataError: the columns cannot be made numbers.
    """
    from mlflow_hpo.data.columns import kind_of, transformer_for

    table = data.train.x
    transformer = transformer_for({name: kind_of(table[name]) for name in table.columns})
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of categories that the training part does not have
            width = transformer.fit(table).transform(table.head(1)).shape[1]
            return data.mapped(lambda part: _transformed(part, transformer, width)), transformer
    except (TypeError, ValueError) as error:
        raise DataError(f"{data.title} cannot be made numbers: {one_line(error)}") from error


def _transformed(part: Part, transformer: Any, width: int) -> Part:
    x = transformer.transform(part.x) if len(part) else np.empty((0, width))
    return replace(part, x=np.asarray(x, np.float32))


@lru_cache(maxsize=2)
def as_columns(data: Data, names: tuple[str, ...]) -> ModelInputs:
    """Turns columns of a table into arrays of shape (rows, 1): several inputs, or the only one.

    Raises:
        SetupError: a column holds neither numbers nor strings, or strings are missing.
    """
    from sklearn.preprocessing import FunctionTransformer

    kinds = {name: _kind(data, name) for name in names}
    made = {
        name: FunctionTransformer(np.asarray, kw_args={"dtype": kind}).fit(data.train.x[[name]])
        for name, kind in kinds.items()
    }
    transformer = made if len(made) > 1 else made[names[0]]

    def arrays(part: Part) -> Part:
        columns = {name: one.transform(part.x[[name]]) for name, one in made.items()}
        return replace(part, x=columns if len(columns) > 1 else columns[names[0]])

    return ModelInputs(data.mapped(arrays), data, transformer)


def _kind(data: Data, name: str) -> Any:
    """Returns the type of the array that a column becomes."""
    from pandas.api.types import infer_dtype, is_integer_dtype, is_numeric_dtype

    columns = [part.x[name] for part in (data.train, data.validation, data.test)]
    missing = sum(int(column.isna().sum()) for column in columns)
    if all(is_numeric_dtype(column) for column in columns):
        whole = not missing and all(is_integer_dtype(column) for column in columns)
        return np.int64 if whole else np.float32
    if any(infer_dtype(column, skipna=True) not in ("string", "empty") for column in columns):
        raise SetupError(f"column {name!r} of {data.title} holds neither numbers nor strings: make one of it")
    if missing:
        raise SetupError(f"column {name!r} has {missing} missing values: fill them, or leave the rows out")
    return object


@lru_cache(maxsize=2)
def as_they_are(data: Data) -> ModelInputs:
    """Turns a table of numbers into an array."""
    from sklearn.preprocessing import FunctionTransformer

    transformer = FunctionTransformer(np.asarray, kw_args={"dtype": np.float32}).fit(data.train.x)
    arrays = data.mapped(lambda part: replace(part, x=np.asarray(part.x, np.float32)))
    return ModelInputs(arrays, data, transformer)


@lru_cache(maxsize=2)
def as_strings(data: Data, complete: bool) -> ModelInputs:
    """Turns a table of one column into a Series, as what makes features of text takes it.

    The transformer also takes a list or an array of strings.

    Args:
        complete: the model takes no missing strings.

    Raises:
        SetupError: some are missing.
    """
    import pandas as pd
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer

    steps = FunctionTransformer(np.ravel), FunctionTransformer(pd.Series)
    missing = sum(int(part.x.iloc[:, 0].isna().sum()) for part in (data.train, data.validation, data.test))
    if complete and missing:
        name = data.train.x.columns[0]
        raise SetupError(f"column {name!r} has {missing} missing values: fill them, or leave the rows out")
    series = data.mapped(lambda part: replace(part, x=part.x.iloc[:, 0]))
    return ModelInputs(series, data, make_pipeline(*steps).fit(data.train.x))


def is_column_of_strings(data: Data) -> bool:
    """Tells whether the inputs are one column of strings."""
    from pandas.api.types import infer_dtype

    one = data.is_table and len(data.train.x.columns) == 1
    return one and infer_dtype(data.train.x.iloc[:, 0], skipna=True) == "string"


@lru_cache(maxsize=4)
def flattened(data: Data) -> Data:
    """Turns images into rows of pixels; the last four results are kept. Other data come back as they are."""
    if data.is_table or is_several(data.train.x) or len(data.shape) == 1:
        return data
    width = math.prod(data.shape)  # -1 fails for a part without rows
    return data.mapped(lambda part: replace(part, x=part.x.reshape(len(part), width)))
