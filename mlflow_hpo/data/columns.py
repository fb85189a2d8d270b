"""Makes numbers of a table's columns, by a scikit-learn transformer.

The transformer becomes part of the saved model. It holds nothing but objects and functions of scikit-learn,
NumPy, pandas and the standard library, so that the model loads without this package. Only what preprocesses
a table imports this file: it imports pandas and scikit-learn.
"""

from collections.abc import Mapping
from operator import methodcaller
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import infer_dtype
from sklearn.compose import ColumnTransformer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

MOST_CATEGORIES = 50  # features for each column; the rarest values share one
MOST_WORDS = 256  # features for each column of text
TEXT_SHARE = 0.5  # a column is text if more of its values than this are distinct, and have several words
SEVERAL_WORDS = r"\w\w.*\s|\s.*\w\w"
ISO_DATE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"  # other forms are ambiguous
NUMBER, FLAG, CATEGORY, TEXT, DATE = "number", "flag", "category", "text", "date"
KINDS = {  # by the name that pandas infers for the values
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal", "empty"), NUMBER),
    "boolean": FLAG,
    **dict.fromkeys(("datetime64", "datetime", "date"), DATE),
}


def kind_of(column: Any) -> str:
    """Tells how a column (a pandas Series) is treated: as number, flag, category, text or date."""
    values = column.dropna()
    inferred = infer_dtype(values, skipna=True) if len(values) else "empty"
    return _kind_of_strings(values) if inferred == "string" else KINDS.get(inferred, CATEGORY)


def _kind_of_strings(values: Any) -> str:
    if values.str.match(ISO_DATE).all():
        dates = pd.to_datetime(values, errors="coerce", format="mixed", utc=True)
        return CATEGORY if dates.isna().any() else DATE
    mostly_distinct = values.nunique() > TEXT_SHARE * len(values)
    return TEXT if mostly_distinct and values.str.contains(SEVERAL_WORDS).mean() > TEXT_SHARE else CATEGORY


def transformer_for(kinds: Mapping[str, str]) -> Any:
    """Returns an unfitted ColumnTransformer for DataFrames.

    It finds its columns by name, in any order, and ignores others.

    Args:
        kinds: column -> its kind, see `kind_of`.
    """
    together = {NUMBER: _numbers, FLAG: _flags, CATEGORY: _categories, DATE: _dates}
    columns = {kind: [name for name in kinds if kinds[name] == kind] for kind in together}
    parts = [(kind, together[kind](), names) for kind, names in columns.items() if names]
    texts = [(f"{TEXT} {name}", _text(), name) for name in kinds if kinds[name] == TEXT]
    return ColumnTransformer([*parts, *texts], sparse_threshold=0)


def _numbers() -> Any:
    """Scales to mean 0 and deviation 1. A missing value becomes the median, and a feature says so."""
    infinite_is_missing = dict.fromkeys(("nan", "posinf", "neginf"), np.nan)
    without_infinite = FunctionTransformer(np.nan_to_num, kw_args=infinite_is_missing)
    return make_pipeline(*_floats(), without_infinite, _filled_with("median"), StandardScaler())


def _flags() -> Any:
    """Makes 0 and 1. A missing value becomes the more frequent one, and a feature says so."""
    return make_pipeline(*_floats(), _filled_with("most_frequent"))


def _dates() -> Any:
    """Makes seconds since 1970, scaled as numbers are."""
    return make_pipeline(
        _call("apply", pd.to_datetime, errors="coerce", format="mixed", utc=True),
        _call("sub", pd.Timestamp(0, unit="s", tz="UTC")),
        _call("div", pd.Timedelta(1, unit="s")),
        _filled_with("median"),
        StandardScaler(),
    )


def _categories() -> Any:
    """Makes a feature of each value; a missing value is one, too."""
    options = {"handle_unknown": "infrequent_if_exist", "max_categories": MOST_CATEGORIES}
    return make_pipeline(*_strings("missing"), OneHotEncoder(**options, sparse_output=False))


def _text() -> Any:
    """Makes TF-IDF features of the most frequent words of one column."""
    return make_pipeline(*_strings(""), TfidfVectorizer(max_features=MOST_WORDS))


def _floats() -> list[Any]:
    """Steps that make an array of float64 of any columns; a missing value becomes NaN."""
    return [_call("apply", pd.to_numeric), _call("to_numpy", "float64", na_value=np.nan)]


def _strings(missing: str) -> list[Any]:
    """Steps that make strings of any values."""
    return [_call("astype", "object"), _call("fillna", missing), _call("map", str)]


def _filled_with(strategy: str) -> Any:
    return SimpleImputer(strategy=strategy, add_indicator=True, keep_empty_features=True)


def _call(method: str, *args: Any, **kwargs: Any) -> Any:
    """Returns a step that calls this method of a DataFrame or Series."""
    return FunctionTransformer(methodcaller(method, *args, **kwargs))
