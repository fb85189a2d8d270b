"""Scorers of scikit-learn's on labels of any kind, and those that Python gives."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import (
    average_precision_score,
    class_likelihood_ratios,
    f1_score,
    fbeta_score,
    get_scorer,
    get_scorer_names,
    make_scorer,
    mean_absolute_error,
    precision_score,
    roc_auc_score,
)
from sklearn.svm import SVC
from units import reported, unit

import mlflow_hpo
from mlflow_hpo.data import Data, DataSpec, load_data, save_data
from mlflow_hpo.errors import ConfigError, DataError, SetupError
from mlflow_hpo.objectives.sklearn import SklearnObjective, name_of, sign_of, takes_estimator
from mlflow_hpo.user_code import use_contents

RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 3))
NOISY = X[:, 0] + RNG.normal(size=300)
LABELS = {
    "01": (NOISY > 0.5).astype(int),
    "bool": NOISY > 0.5,
    "words": np.where(NOISY > 0.5, "yes", "no"),
    "12": np.where(NOISY > 0.5, 2, 1),
    "minus": np.where(NOISY > 0.5, 1, -1),
    "2 and 10": np.where(NOISY > 0.5, 10, 2),  # as text, 10 comes first
}
NAMES = ("val_f1", "val_precision", "val_average_precision", "val_roc_auc", "val_positive_likelihood_ratio")


def data_of(y: Any, folder: Path, positive: str | None = None) -> Data:
    use_contents(folder)
    return load_data(
        DataSpec("given:data", content=save_data((X, y), folder, DataSpec("given:data")), positive=positive)
    )


def score(target: Any, data: Data, folder: Path, metric: str, scorer: Any = None) -> float:
    objective = SklearnObjective(target, metric=metric, scorer=scorer)
    names = objective.dry_run(unit(folder, data=data))
    trial = unit(folder, data=data, metric=metric)
    objective.train(trial)
    assert names is not None
    assert metric in names
    return reported(trial)[1][metric]


@pytest.mark.parametrize("estimator", [LogisticRegression(), SVC()], ids=["probabilities", "decisions"])
@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("first", [False, True], ids=["second", "first"])
def test_two_classes_of_any_kind_have_a_positive_one(
    kind: str, estimator: Any, first: bool, tmp_path: Path
) -> None:
    positive = str(sorted({*LABELS[kind].tolist()})[0]) if first else None
    data = data_of(LABELS[kind], tmp_path, positive)
    right = data.validation.y == data.positive
    assert right.sum() < len(right) / 2 or first, "the second of them is the rarer one"
    model = estimator.fit(data.train.x, data.train.y == data.positive)
    answers, sure = model.predict(data.validation.x), model.decision_function(data.validation.x)
    expected = (
        f1_score(right, answers),
        precision_score(right, answers),
        average_precision_score(right, sure),
        roc_auc_score(right, sure),
        class_likelihood_ratios(right, answers)[0],
    )
    found = [score(estimator, data, tmp_path, name) for name in NAMES]
    assert found == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y", "positive", "message"),
    [
        (LABELS["words"], "ja", "positive-class: 'ja' is no class: they are no and yes"),
        (np.arange(300) % 3, "1", "positive-class: '1' is for two classes, and there are 3 classes"),
        (NOISY, "1", "positive-class: '1' is for two classes, and there are values"),
    ],
)
def test_a_positive_class_that_is_none_is_refused(
    y: Any, positive: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        data_of(y, tmp_path, positive)


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("val_f1", "'val_f1' is not for 3 classes: give val_f1_macro, val_f1_micro, val_f1_weighted$"),
        ("val_roc_auc", "not for 3 classes: give val_roc_auc_ovo, .*val_roc_auc_ovr, val_roc_auc_ovr_w"),
        ("recall", "metric 'recall' is not for 3 classes: give recall_macro, recall_micro"),
    ],
)
def test_a_scorer_of_two_classes_is_refused_with_those_of_several(
    metric: str, message: str, tmp_path: Path
) -> None:
    data = data_of(np.array(["a", "b", "c"])[np.arange(300) % 3], tmp_path)
    with pytest.raises(SetupError, match=message):
        SklearnObjective(SVC(), metric=metric).dry_run(unit(tmp_path, data=data))
    assert score(SVC(), data, tmp_path, "val_f1_macro") < 1


def test_a_scorer_of_classes_is_refused_for_values(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"'val_f1' is not for values: give .*val_neg_mean_squared_error"):
        SklearnObjective(Ridge(), metric="val_f1").dry_run(unit(tmp_path, data=data_of(NOISY, tmp_path)))


def test_every_scorer_is_scikit_learns_own_number_or_is_refused(tmp_path: Path) -> None:
    data = data_of(np.array([1, 2, 10])[np.digitize(NOISY, [-0.5, 0.5])], tmp_path)
    y, held_out = (np.array([1, 2, 10])[part.y] for part in (data.train, data.validation))
    model = LogisticRegression().fit(data.train.x, y)
    refused, compared = "", 0
    for name in get_scorer_names():
        try:
            found = score(LogisticRegression(), data, tmp_path, f"val_{name}")
        except SetupError as error:
            refused = str(error)
            continue
        with warnings.catch_warnings(action="ignore"):
            expected = get_scorer(name)(model, data.validation.x, held_out)
        assert found == pytest.approx(expected), name
        compared += 1
    assert compared > 25
    assert "is not for 3 classes: give val_" in refused


def test_a_scorer_of_the_training_rows_is_one_where_that_is_asked(tmp_path: Path) -> None:
    data = data_of(LABELS["words"], tmp_path)
    model = LogisticRegression().fit(data.train.x, data.train.y)
    expected = f1_score(data.train.y, model.predict(data.train.x))
    assert score(LogisticRegression(), data, tmp_path, "f1") == pytest.approx(expected)


def yes_rate(estimator: Any, x: Any, y: Any) -> float:
    """Compares the classes themselves."""
    return float(np.mean(estimator.predict(x)[y == "yes"] == "yes"))


def cost(y: Any, answers: Any) -> float:
    return float(np.sum((y == 2) & (answers == 1)))


def test_a_scorer_from_python_sees_the_labels_that_its_author_saw(tmp_path: Path) -> None:
    words, numbers = data_of(LABELS["words"], tmp_path), data_of(LABELS["12"], tmp_path)
    model = LogisticRegression().fit(words.train.x, words.train.y)
    right, answers = words.validation.y, model.predict(words.validation.x)
    assert score(LogisticRegression(), words, tmp_path, "val_yes_rate", yes_rate) == pytest.approx(
        answers[right == 1].mean()
    )
    scorer = make_scorer(fbeta_score, beta=2)
    expected = fbeta_score(right, answers, beta=2)
    assert score(LogisticRegression(), words, tmp_path, "val_fbeta_score", scorer) == pytest.approx(expected)
    told = make_scorer(fbeta_score, beta=2, pos_label="yes")
    assert score(LogisticRegression(), words, tmp_path, "val_fbeta_score", told) == pytest.approx(expected)
    costs = make_scorer(cost, greater_is_better=False)
    assert score(LogisticRegression(), numbers, tmp_path, "val_cost", costs) == (right & ~answers & 1).sum()


def test_a_scorer_is_called_as_its_function_and_a_negated_one_gives_the_number_itself(tmp_path: Path) -> None:
    error = make_scorer(mean_absolute_error, greater_is_better=False)
    assert (name_of(error), sign_of(error)) == ("mean_absolute_error", -1)
    assert (name_of(yes_rate), sign_of(yes_rate)) == ("yes_rate", 1)
    assert name_of(lambda estimator, x, y: 0) == "score"
    data = data_of(NOISY, tmp_path)
    objective = SklearnObjective(Ridge(), metric="val_mean_absolute_error", scorer=error)
    trial = unit(tmp_path, data=data)
    objective.train(trial)
    values = reported(trial)[1]
    assert values["val_mean_absolute_error"] == pytest.approx(values["val_mae"])


def test_what_a_scorer_raises_is_one_line_before_any_trial(tmp_path: Path) -> None:
    data = data_of(LABELS["words"], tmp_path)
    with pytest.raises(
        SetupError, match=r"^metric 'val_neg_log_loss' cannot be computed: .*SVC.*predict_proba"
    ):
        SklearnObjective(SVC(), metric="val_neg_log_loss").dry_run(unit(tmp_path, data=data))
    trial = unit(tmp_path, data=data)
    assert data.task == "classification"
    with pytest.raises(SetupError, match="'val_r2' cannot be computed: ValueError: could not convert string"):
        SklearnObjective(LogisticRegression(), metric="val_r2").dry_run(unit(tmp_path, data=data))
    with pytest.raises(SetupError, match=r"metric 'val_s' is \[\] of type list, no number"):
        SklearnObjective(SVC(), metric="val_s", scorer=lambda e, x, y: []).train(trial)


def test_a_function_of_targets_and_predictions_is_no_scorer() -> None:
    for function in (mean_absolute_error, fbeta_score, cost, lambda y_true, y_pred, sample_weight: 0):
        assert not takes_estimator(function)
    for scorer in (make_scorer(cost), yes_rate, partial(yes_rate), get_scorer("f1"), lambda e, x, y=None: 0):
        assert takes_estimator(scorer)
    with pytest.raises(ConfigError, match=r"metric: f1_score compares .*: give make_scorer\(f1_score\)"):
        mlflow_hpo.tune(LogisticRegression(), {"C": [1, 2]}, (X, LABELS["01"]), metric=f1_score)
