"""From a table's raw columns to numbers: a scikit-learn transformer fitted on the training part alone.

Only scikit-learn's, NumPy's and pandas's own objects and functions are in it, so that a model saved
with it needs nothing of ours to load.
"""

import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from mlflow_hpo.datasets import Data, Part
from mlflow_hpo.errors import DataError

MOST_CATEGORIES = 50  # of a column; the rarest share one
MOST_WORDS = 256  # of a column of text
TEXT_DISTINCT = 0.5  # of a column's values, from which strings with spaces are text
ISO_DATE = r"\d{4}[-/]\d{1,2}[-/]\d{1,2}"  # other forms may be read in two ways
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
        for x in parts:
            if not is_numeric_dtype(x[name].dtype):
                return f"column {name!r} holds no numbers"
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

    steps = {NUMBER: _of_numbers, FLAG: _of_flags, CATEGORY: _of_categories, DATE: _of_dates}
    columns = {kind: [name for name in kinds if kinds[name] == kind] for kind in steps}
    parts = [(kind, steps[kind](), names) for kind, names in columns.items() if names]
    texts = [(f"{TEXT} {name}", _of_text(), name) for name in kinds if kinds[name] == TEXT]
    return ColumnTransformer([*parts, *texts], sparse_threshold=0)


def _of_numbers(*before: Any) -> Any:
    """Numbers, with a median for what is missing and a feature that says so, in units of the deviation."""
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        *(before or (_apply(pd.to_numeric, errors="coerce"),)),
        _call(pd.DataFrame.astype, dtype="float64"),
        _call(pd.DataFrame.replace, to_replace=[np.inf, -np.inf], value=np.nan),
        SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True),
        StandardScaler(),
    )


def _of_flags() -> Any:
    """0 and 1, the most frequent one for what is missing, and a feature that says so."""
    import pandas as pd
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        _apply(pd.to_numeric, errors="coerce"),
        _call(pd.DataFrame.astype, dtype="float64"),
        SimpleImputer(strategy="most_frequent", add_indicator=True),
    )


def _of_categories() -> Any:
    """One feature for each value; what is missing is a value of its own."""
    import pandas as pd
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder

    return make_pipeline(
        _call(pd.DataFrame.astype, dtype="object"),
        _call(pd.DataFrame.fillna, value="missing"),
        _call(pd.DataFrame.map, func=str),
        OneHotEncoder(
            handle_unknown="infrequent_if_exist", max_categories=MOST_CATEGORIES, sparse_output=False
        ),
    )


def _of_dates() -> Any:
    """Days since 1970, then as numbers."""
    import pandas as pd

    return _of_numbers(
        _apply(pd.to_datetime, errors="coerce", format="mixed", utc=True),
        _call(pd.DataFrame.sub, other=pd.Timestamp(0, tz="UTC")),
        _call(pd.DataFrame.truediv, other=pd.Timedelta(days=1)),
    )


def _of_text() -> Any:
    """How often the most frequent words are in a text, as TF-IDF."""
    import pandas as pd
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    return make_pipeline(
        _call(pd.Series.astype, dtype="object"),
        _call(pd.Series.fillna, value=""),
        _call(pd.Series.astype, dtype="str"),
        TfidfVectorizer(max_features=MOST_WORDS),
    )


def _call(function: Any, **options: Any) -> Any:
    """A step that calls a method of pandas's on the rows."""
    from sklearn.preprocessing import FunctionTransformer

    return FunctionTransformer(function, kw_args=options)


def _apply(function: Any, **options: Any) -> Any:
    """A step that calls a function of pandas's on each column."""
    import pandas as pd

    return _call(pd.DataFrame.apply, func=function, **options)
