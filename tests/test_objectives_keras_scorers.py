"""A Keras model is scored by any scorer of scikit-learn's that its predictions allow."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, f1_score, mean_absolute_error, roc_auc_score
from units import reported, unit

from mlflow_hpo.data import Data, Part
from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.objectives.sklearn import MetricScorer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(240, 3)).astype(np.float32)
NOISY = (X[:, 0] + RNG.normal(size=240)).astype(np.float32)


def data_of(y: Any, classes: int, positive: int = 1) -> Data:
    train, held_out = (Part(X[i::2], y[i::2]) for i in (0, 1))
    return Data("made", "", "", classes, (), train, held_out, held_out, positive)


TWO, THREE = (np.digitize(NOISY, bins) for bins in ([0.2], [-0.5, 0.5]))


def objective(loss: Any, outputs: int, activation: str | None, metric: str, scorer: Any = None) -> Any:
    def build(units: int = 8) -> Any:
        import keras

        layers = [keras.layers.Dense(units, "relu"), keras.layers.Dense(outputs, activation)]
        model = keras.Sequential([keras.Input((3,)), *layers])
        model.compile("adam", loss() if callable(loss) else loss)
        return model

    return KerasObjective(Keywords(build), scorer=MetricScorer(metric, scorer))


def with_logits() -> Any:
    import keras

    return keras.losses.BinaryCrossentropy(from_logits=True)


def trained(objective: Any, data: Data, folder: Path, metric: str) -> tuple[dict[str, float], Any]:
    """The metrics of the second epoch, and the model's answers on the validation rows after it."""
    names = objective.dry_run(unit(folder, data=data))
    trial = unit(folder, 0, 2, data=data, metric=metric)
    objective.train(trial)
    values = reported(trial)
    assert set(values[1]) == set(values[2]) == {"loss", "val_loss", metric}
    assert metric in names
    return values[2], trial.reporter.model(data.validation.x).numpy()  # type: ignore[attr-defined]


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax", "logits"])
def test_of_two_classes(kind: str, positive: int, tmp_path: Path) -> None:
    made = {
        "sigmoid": ("binary_crossentropy", 1, "sigmoid"),
        "softmax": ("sparse_categorical_crossentropy", 2, "softmax"),
        "logits": (with_logits, 1, None),
    }[kind]
    data = data_of(TWO, 2, positive)
    for metric, expected in (("val_f1", f1_score), ("val_average_precision", average_precision_score)):
        values, answers = trained(objective(*made, metric), data, tmp_path, metric)
        sure = answers[:, -1] if kind != "logits" else 1 / (1 + np.exp(-answers[:, 0]))
        sure = sure if positive else 1 - sure
        right = data.validation.y == positive
        assert values[metric] == pytest.approx(expected(right, sure > 0.5 if metric == "val_f1" else sure))


def test_of_several_classes(tmp_path: Path) -> None:
    data, made = data_of(THREE, 3), ("sparse_categorical_crossentropy", 3, "softmax")
    values, answers = trained(objective(*made, "val_roc_auc_ovr"), data, tmp_path, "val_roc_auc_ovr")
    expected = roc_auc_score(data.validation.y, answers, multi_class="ovr")
    assert values["val_roc_auc_ovr"] == pytest.approx(expected)
    with pytest.raises(SetupError, match="'val_f1' is not for 3 classes: give val_f1_macro"):
        objective(*made, "val_f1").dry_run(unit(tmp_path, data=data))


def test_of_values_also_on_the_training_rows(tmp_path: Path) -> None:
    data, metric = data_of(NOISY, 0), "neg_mean_absolute_error"
    values, _ = trained(objective("mse", 1, None, metric), data, tmp_path, metric)
    assert -3 < values[metric] < 0


def test_of_a_users_own_scorer(tmp_path: Path) -> None:
    def worst(model: Any, x: Any, y: Any) -> float:
        return float(np.abs(model.predict(x) - y).max())

    data = data_of(NOISY, 0)
    values, answers = trained(objective("mse", 1, None, "val_worst", worst), data, tmp_path, "val_worst")
    assert values["val_worst"] == pytest.approx(np.abs(answers[:, 0] - data.validation.y).max(), rel=1e-5)
    assert mean_absolute_error(data.validation.y, answers) < values["val_worst"]


def test_predictions_of_another_shape_are_refused_before_any_trial(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match=r"its predictions have shape \(120, 2\): expected \(120, 3\)"):
        objective("mse", 2, None, "val_f1_macro").dry_run(unit(tmp_path, data=data_of(THREE, 3)))
