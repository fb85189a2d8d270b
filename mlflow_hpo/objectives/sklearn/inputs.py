"""Tables and text as an estimator takes them."""

from typing import Any

from mlflow_hpo.data import Data
from mlflow_hpo.data.preprocess import (
    ModelInputs,
    as_strings,
    flattened,
    is_column_of_strings,
    model_inputs,
)
from mlflow_hpo.objectives.sklearn.factory import EstimatorFactory


def inputs_for(factory: EstimatorFactory, data: Data, preprocess: str) -> ModelInputs:
    """Returns the data as the estimators of a factory take them: text as strings, a Pipeline's table raw.

    Args:
        preprocess: see `model_inputs`.
    """
    if not data.is_table:
        return model_inputs(flattened(data), preprocess)
    estimator = factory.make({})
    if is_column_of_strings(data):
        vectorized = _begins_with_text(estimator)
        as_given = data.is_text and (preprocess == "none" or _brings_preprocessing(estimator))
        if as_given or vectorized:
            return as_strings(data, complete=vectorized)
    return ModelInputs(data, data) if hasattr(estimator, "steps") else model_inputs(data, preprocess)


def _brings_preprocessing(estimator: Any) -> bool:
    """Tells whether an estimator is a Pipeline, or has a part that makes features of text."""
    return hasattr(estimator, "steps") or any(map(_is_vectorizer, estimator.get_params().values()))


def _begins_with_text(estimator: Any) -> bool:
    """Tells whether the first step of an estimator makes features of strings."""
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    if hasattr(estimator, "transformer_list"):  # a FeatureUnion
        return all(_begins_with_text(each) for _, each in estimator.transformer_list)
    return _is_vectorizer(estimator)


def _is_vectorizer(part: Any) -> bool:
    from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer

    return isinstance(part, CountVectorizer | HashingVectorizer)
