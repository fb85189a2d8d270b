"""Data that are wider than a table: several inputs, several targets, weights of rows and of classes."""

import json
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from data_loading import given, sizes
from mlflow.pyfunc import scoring_server
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from units import Reports, reported, unit

from mlflow_hpo import tune
from mlflow_hpo.data import Data, folds, load_data, whole
from mlflow_hpo.errors import ConfigError, DataError, SetupError
from mlflow_hpo.objectives.keras import KerasObjective, Keywords
from mlflow_hpo.objectives.scoring import Predictions, row_scores, scores
from mlflow_hpo.objectives.sklearn import SklearnObjective
from mlflow_hpo.registry.compare import compare, measure_for
from mlflow_hpo.settings import read_settings
from mlflow_hpo.store import Connection
from mlflow_hpo.study.data_spec import data_spec

ROWS = 100
X = np.random.default_rng(0).normal(size=(ROWS, 4)).astype("float32")
Y = (X[:, 0] > 0).astype(int)
WEIGHTS = np.arange(ROWS) / ROWS + 0.5


def loaded(value: Any, folder: Path, **how: Any) -> Data:
    return load_data(given(value, folder, **how))


class TestSeveralInputs:
    @pytest.mark.parametrize("names", [("a", "b"), (0, 1)], ids=["dict", "list"])
    def test_rows_stay_together(self, tmp_path: Path, names: Any) -> None:
        numbers = np.arange(ROWS)
        pair = [numbers * 10.0, pd.DataFrame({"b": numbers * 20.0, "c": 0})]
        data = loaded((dict(zip(names, pair, strict=True)) if names[0] else pair, numbers + 0.5), tmp_path)
        cuts = [*folds(data, 3, 0), whole(data), data]
        for part in [part for cut in cuts for part in (cut.train, cut.validation, cut.test)]:
            x, y = [part.x[name] for name in names], part.y - 0.5
            assert np.array_equal(x[0][:, 0], y * 10)
            assert np.array_equal(x[1][:, 0], y * 20)
        assert sizes(data) == [64, 16, 20]
        assert [data.shape[name] for name in names] == [(1,), (2,)]

    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            (([X, X[:-1]], Y), "train part: x 0 has 100 rows and x 1 has 99"),
            (({"a": X}, Y[:-1]), "train part: x 'a' has 100 rows and y has 99"),
            (([X, pd.DataFrame({"c": ["a"] * ROWS})], Y), "column 'c' of one of several inputs holds no"),
            ((({"a": X}, Y), ({"b": X}, Y)), "test part: x is a dict of b, in the train part a dict of a"),
            (((X, {"y": X}), (X, X)), "y has another shape in one part than in another"),
            ((X, Y, WEIGHTS[:-1]), "train part: x has 100 rows and weights have 99"),
            ((X, Y, X), "the weights are float32 of shape (100, 4): expected a number for each row"),
            (((X, Y, WEIGHTS), (X, Y)), "some parts have weights and others have none"),
        ],
    )
    def test_what_does_not_fit_is_named(self, tmp_path: Path, value: Any, problem: str) -> None:
        with pytest.raises(DataError) as caught:
            loaded(value, tmp_path)
        assert problem in str(caught.value)

    def test_an_estimator_refuses_them(self, tmp_path: Path) -> None:
        trial = unit(tmp_path, data=loaded(({"a": X, "b": X}, Y), tmp_path))
        with pytest.raises(SetupError, match="an estimator takes one input, and the data have 2"):
            SklearnObjective(LogisticRegression()).dry_run(trial)


class TestSeveralTargets:
    def test_numbers_stay_and_words_become_classes(self, tmp_path: Path) -> None:
        data = loaded((X, {"age": Y + 30, "word": np.where(Y, "yes", "no")}), tmp_path)
        assert set(data.train.y["age"]) == {30, 31}
        assert np.array_equal(data.train.y["word"], data.train.y["age"] - 30)
        assert data.classes == 0

    def test_images_are_what_they_are_predicted_from(self, tmp_path: Path) -> None:
        images = np.random.default_rng(0).integers(0, 255, (20, 3, 3), np.uint8)
        train = loaded((images, images), tmp_path).train
        assert np.array_equal(train.x, train.y)

    @pytest.mark.parametrize("y", [X[:, :2], (X[:, :2] > 0).astype(int)], ids=["values", "labels"])
    def test_an_estimator_predicts_several_values(self, tmp_path: Path, y: Any) -> None:
        data, objective = loaded((X, y), tmp_path), SklearnObjective(RandomForestRegressor(10))
        trial = unit(tmp_path, data=data, config={"max_depth": 3})
        objective.train(trial)
        found = objective.evaluate(lambda _: trial.reporter.model, data)  # type: ignore[attr-defined]
        assert found["r2"] > 0.5

    def test_a_model_is_compared_by_its_errors(self, tmp_path: Path) -> None:
        data = loaded((X, X), tmp_path)
        exact, off = (
            row_scores(Predictions(data.test.x + shift), data, data.test) for shift in (np.float32(0), 1)
        )
        measure = measure_for("val_r2", exact, off)
        assert measure.name == "mse"
        assert compare(exact, off, measure, 0.95).gain == pytest.approx(1, abs=1e-5)

    def test_each_of_several_has_its_loss(self, tmp_path: Path) -> None:
        data = loaded((X, {"c": Y, "v": X[:, 1]}), tmp_path)
        sure = np.eye(2)[data.test.y["c"]] * 0.5 + 0.25
        found = scores(Predictions({"c": sure, "v": data.test.y["v"] + 1}), data, data.test)
        assert found == {"loss": pytest.approx(1 - np.log(0.75), abs=1e-5)}
        logits = np.log(sure) + 5  # as of a model without a last activation
        again = scores(Predictions({"c": logits, "v": data.test.y["v"] + 1}), data, data.test)
        assert again["loss"] == pytest.approx(found["loss"], abs=1e-5)


class TestWeights:
    def test_a_column_weighs_the_rows_and_is_no_input(self, tmp_path: Path) -> None:
        file = tmp_path / "t.csv"
        pd.DataFrame({"a": X[:, 0], "w": X[:, 0] + 9, "y": Y}).to_csv(file, index=False)
        spec = read_settings({"data": str(file), "target": "y", "weight_column": "w", "model": "a.b:c"})
        train = load_data(data_spec(spec, str(file), "")).train
        assert [*train.x.columns] == ["a"]
        assert train.weights == pytest.approx(train.x["a"].to_numpy() + 9, rel=1e-6)

    def test_a_column_that_is_not_there_is_named(self) -> None:
        with pytest.raises(ConfigError, match="weight-column 'w' of data from Python: only a DataFrame"):
            tune(LogisticRegression(), {"C": [1, 2]}, (X, Y), weight_column="w", progress=False)

    def test_balanced_classes_count_the_same(self, tmp_path: Path) -> None:
        rare = (np.arange(ROWS) < 20).astype(int)
        data = loaded((X, rare), tmp_path, class_weight="balanced")
        sums = np.bincount(data.train.y, weights=data.training_weights)
        assert sums[0] == pytest.approx(sums[1], rel=1e-6)
        assert data.validation.weights is None

    def test_classes_and_rows_are_weighed_together(self, tmp_path: Path) -> None:
        text = read_settings({"class_weight": {0: 1, 1: 3}}).class_weight
        data = loaded((X, Y, WEIGHTS), tmp_path, class_weight=text)
        assert data.training_weights == pytest.approx(data.train.weights * (1 + 2 * data.train.y), rel=1e-6)

    @pytest.mark.parametrize(
        ("y", "weight", "problem"),
        [
            (Y, '{"2": 3}', "class-weight: '2' is no class: they are 0, 1"),
            (X[:, 0], "balanced", "class-weight: balanced is for classes, and there are values"),
            (
                np.stack([Y, Y], axis=1),
                "balanced",
                "class-weight: balanced is for one target, and there are several",
            ),
        ],
    )
    def test_a_class_that_is_not_there_is_named(
        self, tmp_path: Path, y: Any, weight: str, problem: str
    ) -> None:
        with pytest.raises(DataError, match=problem):
            loaded((X, y), tmp_path, class_weight=weight)

    @pytest.mark.parametrize("value", ["heavy", "[1]", {"a": -1}, {"a": "b"}, "{}"])
    def test_what_is_no_class_weight_is_refused(self, value: Any) -> None:
        with pytest.raises(ConfigError, match="class-weight: must be balanced, or a number for each class"):
            read_settings({"class_weight": value})

    @pytest.mark.parametrize("resource", ["none", "samples"])
    def test_an_estimator_is_fitted_and_scored_with_them(self, tmp_path: Path, resource: str) -> None:
        data = loaded((X, Y, WEIGHTS), tmp_path)
        trial = unit(tmp_path, data=data, config={"logisticregression__C": 0.01})
        SklearnObjective(make_pipeline(StandardScaler(), LogisticRegression()), resource).train(trial)
        model, train = make_pipeline(StandardScaler(), LogisticRegression(C=0.01)), data.train
        model.fit(train.x, train.y, logisticregression__sample_weight=train.weights)
        assert model.decision_function(X) == pytest.approx(
            trial.reporter.model.decision_function(X),  # type: ignore[attr-defined]
            abs=1e-4,
        )
        right = model.score(data.validation.x, data.validation.y, data.validation.weights)
        assert reported(trial)[1]["val_accuracy"] == pytest.approx(right)

    def test_an_estimator_that_cannot_weigh_rows_is_refused(self, tmp_path: Path) -> None:
        trial = unit(tmp_path, data=loaded((X, Y, WEIGHTS), tmp_path))
        with pytest.raises(SetupError, match="weights: KNeighborsClassifier cannot weigh rows"):
            SklearnObjective(KNeighborsClassifier()).dry_run(trial)

    def test_a_row_that_counts_nothing_changes_no_comparison(self) -> None:
        weight = np.array([1.0, 1, 1, 0])
        new, old = ({"accuracy": np.array(a), "weight": weight} for a in ([1.0, 1, 1, 0], [1.0, 1, 0, 1]))
        assert compare(new, old, measure_for("", new, old), 0.95).gain == pytest.approx(1 / 3)


def two_inputs(units: int = 2) -> Any:
    import keras

    first, second = keras.Input((4,)), keras.Input((3,))
    hidden = keras.layers.Dense(units)(keras.layers.Concatenate()([first, second]))
    model = keras.Model([first, second], keras.layers.Dense(1, activation="sigmoid")(hidden))
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    return model


def two_outputs(units: int = 2) -> Any:
    import keras

    hidden = keras.layers.Dense(units)(first := keras.Input((4,)))
    outputs = {
        "c": keras.layers.Dense(2, activation="softmax", name="c")(hidden),
        "v": keras.layers.Dense(1, name="v")(hidden),
    }
    model = keras.Model(first, outputs)
    model.compile("adam", {"c": "sparse_categorical_crossentropy", "v": "mse"})
    return model


def plain(units: int = 2) -> Any:
    import keras

    layers = [keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1, activation="sigmoid")]
    model = keras.Sequential(layers)
    model.compile("adam", "binary_crossentropy", weighted_metrics=["accuracy"])
    return model


def of_custom_layers(units: int = 2) -> Any:
    """A model with a layer of its own, which only its graph brings along, and a list of outputs."""
    import keras

    class Doubled(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return 2 * x

    hidden = Doubled()(keras.layers.Dense(units)(first := keras.Input((4,))))
    outputs = [
        keras.layers.Dense(2, activation="softmax", name="c")(hidden),
        keras.layers.Dense(1, name="v")(hidden),
    ]
    model = keras.Model(first, outputs)
    model.compile("adam", ["sparse_categorical_crossentropy", "mse"])
    return model


CASES = {
    "inputs": (two_inputs, ([X, X[:, :3]], Y)),
    "outputs": (two_outputs, (X, {"c": Y, "v": X[:, 1]})),
    "weights": (plain, (X, Y, WEIGHTS)),
}


class TestKeras:
    @pytest.mark.parametrize("case", CASES)
    def test_it_trains_the_same_fast_and_plain(
        self, tmp_path: Path, case: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        build, value = CASES[case]
        data, found = loaded(value, tmp_path), []
        for fast in ("1", "0"):
            monkeypatch.setenv("MLFLOW_HPO_FAST_KERAS", fast)
            trial = unit(tmp_path / fast, 0, 2, data=data, seed=3, metric="val_loss")
            KerasObjective(Keywords(build)).train(trial)
            found.append(reported(trial))
        assert found[0][2] == pytest.approx(found[1][2], abs=1e-4)

    def test_weights_change_what_is_learned_and_held_out_rows_are_weighed(self, tmp_path: Path) -> None:
        rows, reports = loaded((X, Y, WEIGHTS), tmp_path), Reports()
        trial = unit(tmp_path, 0, 1, data=rows, seed=3, reports=reports)
        KerasObjective(Keywords(plain)).train(trial)
        held_out, model = rows.validation, reports.model
        right = (model.predict(held_out.x, verbose=0)[:, 0] > 0.5) == held_out.y  # type: ignore[attr-defined]
        expected = np.average(right, weights=held_out.weights)
        assert reported(trial)[1]["val_accuracy"] == pytest.approx(expected, abs=1e-6)

    @pytest.mark.parametrize("case", ["table", "layers"])
    def test_several_outputs_are_registered_and_served_by_their_names(
        self, case: str, connection: Connection, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", connection.uri)
        table, y = pd.DataFrame(X, columns=[*"abcd"]), {"c": Y, "v": X[:, 1]}
        build, data = {
            "table": (two_outputs, (table, y)),
            "layers": (of_custom_layers, (X, tuple(y.values()))),
        }[case]
        how: dict[str, Any] = {"max_trials": 1, "max_epochs": 1, "workers": 1, "progress": False}
        for _ in range(2):  # the second is compared with the first
            study = tune(build, {"units": [2]}, data, register=f"several-{case}", force=True, **how)
        model = mlflow.pyfunc.load_model(f"models:/several-{case}@champion")
        rows = (
            {"dataframe_split": table[:3].to_dict("split")} if case == "table" else {"inputs": X[:3].tolist()}
        )
        asked = json.dumps(rows), "application/json", model, model.metadata.get_input_schema()
        answers = json.loads(scoring_server.invocations(*asked).response)["predictions"]
        assert {name: np.shape(values) for name, values in answers.items()} == {"c": (3, 2), "v": (3, 1)}
        (version,) = connection.client.search_model_versions(
            f"name = 'several-{case}' and version_number = 2"
        )
        assert "on the same 20 test rows" in str(version.description)
        assert study.best_value > 0

    def test_several_inputs_are_served_by_their_names(self, tmp_path: Path) -> None:
        reports = Reports()
        trial = unit(tmp_path, 0, 1, data=loaded(CASES["inputs"][1], tmp_path), reports=reports)
        KerasObjective(Keywords(two_inputs)).train(trial)
        assert [values.shape for values in reports.options["inputs"].values()] == [(2, 4), (2, 3)]
