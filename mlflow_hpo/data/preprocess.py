"""From a table's raw columns to numbers: a scikit-learn transformer fitted on the training part alone.

Only scikit-learn's, NumPy's and pandas's own objects and functions are in it, so that a model saved
with it needs nothing of ours to load; and only functions of a module's, not methods, since skops, in
whose format MLflow saves, finds no others.
"""

import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.data import Data, Part
from mlflow_hpo.errors import DataError

MOST_CATEGORIES = 50  # of a column; the rarest share one
MOST_WORDS = 256  # of a column of text
TEXT_DISTINCT = 0.5  # of a column's values, from which strings with spaces are text
ISO_DATE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"  # other forms may be read in two ways
MISSING = ("nan", "None", "<NA>", "NaT")  # as strings
NO_DATE = float(np.iinfo(np.int64).min)  # what NumPy makes of a missing date
NUMBER, FLAG, CATEGORY, TEXT, DATE = "number", "flag", "category", "text", "date"
KINDS = {  # by what pandas infers of the values
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal", "empty"), NUMBER),
    "boolean": FLAG,
    **dict.fromkeys(("datetime64", "datetime", "date"), DATE),
}


def needs_preprocessing(data: Data) -> str:
    """Why a model that takes only numbers cannot be trained on a table as it is; "" where it can."""
    if not data.is_table:
        return ""
    from pandas.api.types import is_numeric_dtype

    parts = [part.x for part in (data.train, data.validation, data.test)]
    for name in data.train.x.columns:
        if not all(is_numeric_dtype(x[name].dtype) for x in parts):
            return f"column {name!r} holds no numbers"
    for name in data.train.x.columns:
        if missing := sum(int(x[name].isna().sum()) for x in parts):
            return f"column {name!r} has {missing} missing values"
    return ""


@lru_cache(maxsize=2)
def prepared(data: Data) -> tuple[Data, Any]:
    """A table as arrays; kept for the next call.

    Returns:
        The data, float32 of shape (rows, features) in each part, and the fitted ColumnTransformer, which
        takes a DataFrame of raw rows. Data that are arrays already come back as they are, with None.

    Raises:
        DataError: the columns cannot be made numbers.
    """
    if not data.is_table:
        return data, None
    kinds = {name: kind_of(data.train.x[name]) for name in data.train.x.columns}
    transformer = _transformer(kinds)
    try:
        transformer.fit(data.train.x)
        train = _numbers(transformer, data.train)
        others = [
            _numbers(transformer, part) if len(part) else _nothing(part, train.x.shape[1])
            for part in (data.validation, data.test)
        ]
    except (TypeError, ValueError) as error:
        words = " ".join(str(error).split())[:300]
        raise DataError(f"data {data.name!r} cannot be made numbers: {words}") from error
    return replace(data, train=train, validation=others[0], test=others[1]), transformer


def trusted_types() -> list[str]:
    """What skops must be told to trust in a transformer: MLflow's `skops_trusted_types`."""
    import pandas as pd
    from sklearn.utils import check_array

    functions = (np.asarray, np.expand_dims, np.nan_to_num, np.ravel, pd.to_datetime, check_array)
    return ["numpy.dtype", *(f"{f.__module__}.{f.__name__}" for f in functions)]


def kind_of(column: Any) -> str:
    """What a column (a pandas Series) is taken for: number, flag, category, text or date."""
    from pandas.api.types import infer_dtype

    values = column.dropna()
    kind = infer_dtype(values, skipna=True) if len(values) else "empty"
    return _kind_of_strings(values) if kind == "string" else KINDS.get(kind, CATEGORY)


def _kind_of_strings(values: Any) -> str:
    import pandas as pd

    if values.str.match(ISO_DATE).all():
        dates = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
        return CATEGORY if dates.isna().any() else DATE
    words = values.str.contains(r"\w\w.*\s|\s.*\w\w")
    distinct = values.nunique() > TEXT_DISTINCT * len(values)
    return TEXT if distinct and words.mean() > TEXT_DISTINCT else CATEGORY


def _numbers(transformer: Any, part: Part) -> Part:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of categories that the training part has not
        return Part(np.asarray(transformer.transform(part.x), np.float32), part.y)


def _nothing(part: Part, width: int) -> Part:
    return Part(np.empty((0, width), np.float32), part.y)


def _transformer(kinds: dict[str, str]) -> Any:
    """A ColumnTransformer; it finds its columns by name, and leaves out those it does not know."""
    from sklearn.compose import ColumnTransformer

    together = {NUMBER: _of_numbers, FLAG: _of_flags, CATEGORY: _of_categories}
    columns = {kind: [name for name in kinds if kinds[name] == kind] for kind in together}
    parts = [(kind, together[kind](), names) for kind, names in columns.items() if names]
    dates = [(f"{DATE} {name}", _of_dates(), name) for name in kinds if kinds[name] == DATE]
    texts = [(f"{TEXT} {name}", _of_text(), [name]) for name in kinds if kinds[name] == TEXT]
    return ColumnTransformer([*parts, *dates, *texts], sparse_threshold=0)


def _of_numbers() -> Any:
    """In units of the deviation: a median for what is missing, and a feature that says so."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    infinite_is_missing = dict.fromkeys(("nan", "posinf", "neginf"), np.nan)
    return make_pipeline(
        _floats(), _call(np.nan_to_num, **infinite_is_missing), _filled("median", np.nan), StandardScaler()
    )


def _of_flags() -> Any:
    """0 and 1: the most frequent one for what is missing, and a feature that says so."""
    from sklearn.pipeline import make_pipeline

    return make_pipeline(_floats(), _filled("most_frequent", np.nan))


def _of_dates() -> Any:
    """One column, as seconds since 1970, then as numbers."""
    import pandas as pd
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        _call(pd.to_datetime, errors="coerce", format="mixed", utc=True),
        _call(np.asarray, dtype="datetime64[s]"),
        _call(np.asarray, dtype="float64"),
        _call(np.expand_dims, axis=1),
        _filled("median", NO_DATE),
        StandardScaler(),
    )


def _of_categories() -> Any:
    """One feature for each value; what is missing is a value of its own."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    return make_pipeline(
        *_strings("missing"),
        OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False
        ),
    )


def _of_text() -> Any:
    """One column: how often the most frequent words are in a text, as TF-IDF."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(*_strings(""), _call(np.ravel), TfidfVectorizer(max_features=MOST_WORDS))


def _floats() -> Any:
    from sklearn.utils import check_array

    return _call(check_array, dtype="float64", ensure_all_finite=False)


def _filled(strategy: str, missing: float) -> Any:
    from sklearn.impute import SimpleImputer

    return SimpleImputer(
        missing_values=missing, strategy=strategy, add_indicator=True, keep_empty_features=True
    )


def _strings(missing: str) -> list[Any]:
    """Steps to strings of Python's, with another one for what is missing."""
    from sklearn.impute import SimpleImputer

    fill = {"strategy": "constant", "fill_value": missing, "keep_empty_features": True}
    return [
        _call(np.asarray, dtype="str"),
        _call(np.asarray, dtype="object"),
        *(SimpleImputer(missing_values=name, **fill) for name in MISSING),
    ]


def _call(function: Any, **options: Any) -> Any:
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(function, kw_args=options)
