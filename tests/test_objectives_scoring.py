"""Predictions of any form are scored by one rule, for trials and row by row."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, r2_score

from mlflow_hpo.data import Data, Part
from mlflow_hpo.errors import TrialError
from mlflow_hpo.objectives.scoring import (
    predict_test_part,
    predict_with,
    read_predictions,
    row_scores,
    scores,
)

THREE = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3], [0.3, 0.4, 0.3]])


def data_of(classes: int, y: Any, labels: tuple[str, ...] = (), x: Any = None) -> Data:
    """Data whose test part is all there is."""
    values = np.asarray(y, np.int64 if classes else np.float32)
    part = Part(np.zeros((len(values), 2), np.float32) if x is None else x, values)
    return Data("made", "", "", classes, labels, part, part, part)


def scored(answers: Any, data: Data) -> dict[str, float]:
    """The scores, which are the means of those of the rows."""
    predictions = read_predictions(answers, data, data.test)
    means = {k: v.mean() for k, v in row_scores(predictions, data, data.test).items()}
    found = scores(predictions, data, data.test)
    if data.classes:
        assert found == pytest.approx(means)
    else:
        assert found["rmse"] ** 2 == pytest.approx(means["squared"])
        assert found["mae"] == pytest.approx(means["absolute"])
    return found


def test_probabilities_are_scored_as_scikit_learn_does() -> None:
    data = data_of(3, [0, 2, 0, 2])
    found = scored(THREE, data)
    assert found["accuracy"] == accuracy_score(data.test.y, THREE.argmax(axis=1)) == 0.5
    assert found["loss"] == pytest.approx(log_loss(data.test.y, THREE, labels=[0, 1, 2]))


@pytest.mark.parametrize("shape", [(4,), (4, 1)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_one_probability_is_that_of_the_second_class(shape: tuple[int, ...], kind: Any) -> None:
    data, second = data_of(2, [0, 1, 1, 0]), np.array([0.2, 0.9, 0.4, 0.5], kind)
    found = scored(second.reshape(shape), data)
    assert found["accuracy"] == 0.75
    assert found["loss"] == pytest.approx(log_loss(data.test.y, second))


@pytest.mark.parametrize(
    "answers", [[1, 0, 1], ["dog", "cat", "dog"], np.array(["dog", "cat", "dog"], object)]
)
def test_classes_are_numbers_or_names(answers: Any) -> None:
    assert scored(answers, data_of(2, [1, 0, 0], ("cat", "dog"))) == {"accuracy": pytest.approx(2 / 3)}


def test_a_name_that_the_data_do_not_have_is_wrong() -> None:
    assert scored(["cow", "cat"], data_of(2, [1, 0], ("cat", "dog"))) == {"accuracy": 0.5}


def test_values_are_scored_as_scikit_learn_does() -> None:
    data, answers = data_of(0, [1.0, 2.0, 4.0]), np.array([[1.5], [2.0], [3.0]])
    found = scored(answers, data)
    assert found["r2"] == pytest.approx(r2_score(data.test.y, answers[:, 0]))
    assert found["mae"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("answers", "classes", "expected"),
    [
        (np.zeros((3, 2)), 3, (3, 3)),
        (np.zeros((2, 3)), 3, (3, 3)),
        (np.zeros(2), 3, (3,)),
        (np.zeros(4), 0, (3,)),
    ],
)
def test_answers_of_another_shape_are_refused(answers: Any, classes: int, expected: tuple[int, ...]) -> None:
    data = data_of(classes, [0, 1, 2])
    with pytest.raises(TrialError) as caught:
        read_predictions(answers, data, data.test)
    assert str(caught.value) == f"its predictions have shape {answers.shape}: expected {expected}"


def test_a_class_that_an_estimator_has_not_seen_has_no_probability() -> None:
    x = np.array([[0.0], [1.0], [2.0], [3.0]])
    data = data_of(3, [0, 0, 2, 1], x=x)
    estimator = LogisticRegression().fit(x[:3], data.test.y[:3])
    found = predict_with(estimator, data, data.test)
    assert found.probabilities is not None
    assert found.probabilities[:, [0, 2]] == pytest.approx(estimator.predict_proba(x))
    assert not found.probabilities[:, 1].any()
    assert row_scores(found, data, data.test)["loss"][3] == pytest.approx(-np.log(1e-15))


@pytest.mark.parametrize(
    ("answers", "right"),
    [
        ([[-1.0], [3.0]], [0.26894, 0.95257]),  # a single logit, for the second of two classes
        ([[0.2], [0.9]], [0.2, 0.9]),
        ([[0.0, -1.0], [-3.0, 0.0]], [0.26894, 0.95257]),  # a logit for each
        ([[0.8, 0.2], [0.1, 0.9]], [0.2, 0.9]),
    ],
)
def test_logits_are_not_taken_for_probabilities(answers: Any, right: list[float]) -> None:
    found = read_predictions(np.array(answers), data := data_of(2, [0, 1]), data.test)
    assert found.probabilities is not None
    assert found.probabilities[:, 1] == pytest.approx(right, abs=1e-5)
    assert list(found.answers) == [0, 1]


def test_probabilities_of_an_estimator_of_names_are_in_the_order_of_the_numbers() -> None:
    x, names = np.array([[0.0], [1.0], [20.0]]), ("z", "a")  # scikit-learn sorts them
    data = data_of(2, [0, 0, 1], names, x)
    estimator = LogisticRegression().fit(x, np.array(names)[data.test.y])
    found = predict_test_part(lambda flavor: estimator, ("sklearn", "python_function"), data)
    assert found.probabilities is not None
    assert found.probabilities[:, 0] == pytest.approx(estimator.predict_proba(x)[:, 1])
    assert (found.answers == data.test.y).all()
