"""Text: strings reach what makes features of them as a Series of strings, from the fit to the server."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from data_loading import given
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline, make_union

import mlflow_hpo
from mlflow_hpo.data import load_data
from mlflow_hpo.errors import SetupError
from mlflow_hpo.objectives.sklearn import SklearnObjective

WORDS = {"no": ["rain", "cold", "grey", "late"], "yes": ["sun", "warm", "blue", "early"]}
RANDOM = np.random.default_rng(0)
LABELS = ["no", "yes"] * 40
TEXTS = [" ".join(RANDOM.choice(WORDS[label], 3)) + f" day {n}" for n, label in enumerate(LABELS)]
PIPELINE = make_pipeline(TfidfVectorizer(), LogisticRegression())
SPACE = {"logisticregression__C": [0.1, 1.0]}
TABLE = pd.DataFrame({"review": TEXTS, "mood": LABELS})


@pytest.fixture(autouse=True)
def store(tmp_path: Path, new_store: Callable[[Path], str]) -> Iterator[None]:
    uri, before = new_store(tmp_path), mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield
    mlflow.set_tracking_uri(before)


class NeedsSeries(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """A step of a user's that takes a Series of strings alone."""

    def fit(self, x: Any, y: Any = None) -> "NeedsSeries":
        return self

    def transform(self, x: Any) -> Any:
        return np.stack([x.str.len().to_numpy(), x.str.contains("sun|warm|blue|early").to_numpy()], axis=1)


def tuned(model: Any = PIPELINE, data: Any = (TEXTS, LABELS), space: Any = SPACE, **settings: Any) -> Any:
    given = {"max_trials": 1, "workers": 0, "top_k": 1, **settings}
    return mlflow_hpo.tune(model, space, data, progress=False, **given)


def test_strings_are_served_as_a_table_and_as_they_were_given() -> None:
    study = tuned(folds=3, fraction=0.8, final=True)
    assert study.best_value > 0.9
    for uri in (study.best_trial.model_uri, study._run.final.model_uri):
        model = mlflow.pyfunc.load_model(uri)
        assert model.metadata.get_input_schema().input_names() == ["text"]
        assert list(model.predict(pd.DataFrame({"text": ["warm sun", "grey rain"]}))) == ["yes", "no"]
    assert list(study.best_model().predict(["warm sun", "grey rain"])) == ["yes", "no"]


def test_the_values_are_those_of_cross_val_score() -> None:
    pairs = [(np.arange(20, 80), np.arange(20)), (np.arange(60), np.arange(60, 80))]
    study = tuned(folds=pairs, space={})
    assert study.best_value == cross_val_score(PIPELINE, TEXTS, LABELS, cv=pairs).mean()


@pytest.mark.parametrize(
    "form",
    [list, tuple, np.array, lambda v: np.array(v, object), pd.Series, lambda v: pd.Series(v, name="review")],
)
def test_strings_in_any_form_become_one_column(form: Any, tmp_path: Path) -> None:
    data = load_data(given((form(TEXTS), LABELS), tmp_path))
    parts = [data.train, data.validation, data.test]
    assert sorted(text for part in parts for text in part.x.iloc[:, 0]) == sorted(TEXTS)
    assert [*data.train.x.columns] == [getattr(form(TEXTS), "name", None) or "text"]
    assert data.is_text


@pytest.mark.parametrize(
    ("model", "table", "as_series"),
    [
        (PIPELINE, True, True),
        (make_pipeline(make_union(CountVectorizer(), TfidfVectorizer()), MultinomialNB()), True, True),
        (make_pipeline(HashingVectorizer(n_features=256), SGDClassifier()), True, True),
        (make_pipeline(make_column_transformer((TfidfVectorizer(), "review")), MultinomialNB()), True, False),
        (make_pipeline(NeedsSeries(), LogisticRegression()), False, True),
        (CalibratedClassifierCV(PIPELINE, cv=2), False, True),
        (LogisticRegression(), False, False),  # gets numbers from the preprocessing of tables
    ],
)
def test_a_model_gets_what_its_first_step_takes(
    model: Any, table: bool, as_series: bool, tmp_path: Path
) -> None:
    spec = given(TABLE if table else (TEXTS, LABELS), tmp_path, "mood" if table else None)
    inputs = SklearnObjective(model)._inputs(load_data(spec))
    assert inputs.data is not None
    x = inputs.data.train.x
    assert isinstance(x, pd.Series) == as_series
    fitted = model.fit(x, inputs.data.train.y)
    assert fitted.score(inputs.data.test.x, inputs.data.test.y) > 0.9


def test_missing_strings_are_counted(tmp_path: Path) -> None:
    data = load_data(given(([None, *TEXTS[1:]], LABELS), tmp_path))
    with pytest.raises(SetupError, match="column 'text' has 1 missing values: fill them, or leave the rows"):
        SklearnObjective(PIPELINE)._inputs(data)
