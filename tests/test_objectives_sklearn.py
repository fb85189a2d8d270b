"""Estimators and Pipelines: what their epochs are, how they are scored and logged."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from contracts import ObjectiveContract
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import Ridge, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from units import unit

from mlflow_hpo.data import Data, DataSpec, load_data, whole
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.errors import ConfigError, NotFiniteError, SetupError, TrialError
from mlflow_hpo.objectives.sklearn import SklearnObjective
from mlflow_hpo.trial import Config


class Exploding(SGDClassifier):  # type: ignore[misc]
    """One whose probabilities are not numbers."""

    def predict_proba(self, x: Any) -> Any:
        return np.full((len(x), 10), np.nan)


class SklearnContract(ObjectiveContract):
    metrics: ClassVar[set[str]] = {"accuracy", "val_accuracy"}
    broken: ClassVar[Config] = {}

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        self.objective = SklearnObjective(Exploding, "partial_fit")
        with pytest.raises(NotFiniteError, match="loss became nan at epoch 1"):
            self.train(self.handle(tmp_path, 0, 3, {"alpha": 1e-3}))


class TestPartialFit(SklearnContract):
    config: ClassVar[Config] = {"alpha": 1e-3, "batch_size": 100}
    objective = SklearnObjective(SGDClassifier, "partial_fit")

    def test_a_checkpoint_that_is_not_there_fails_the_trial(self, tmp_path: Path) -> None:
        with pytest.raises(TrialError, match=r"epoch 2 holds no estimator\.joblib"):
            self.train(self.handle(tmp_path, 2, 3))


class TestParam(SklearnContract):
    config: ClassVar[Config] = {"max_depth": 3}
    objective = SklearnObjective(RandomForestClassifier, "n_estimators")
    each_epoch = False

    def test_an_epoch_is_a_value_of_the_param(self, tmp_path: Path) -> None:
        self.train(self.handle(tmp_path, 0, 4))
        assert self.model.n_estimators == len(self.model.estimators_) == 4


class TestSamples(SklearnContract):
    config: ClassVar[Config] = {"sgdclassifier__alpha": 1e-3}
    objective = SklearnObjective(make_pipeline(StandardScaler(), SGDClassifier()), "samples")
    each_epoch = False

    def test_an_epoch_is_a_share_of_the_rows(self, tmp_path: Path) -> None:
        scores = self.train(self.handle(tmp_path / "few", 0, 1))[1]
        whole = self.train(self.handle(tmp_path / "all", 0, 4))[4]
        assert self.model.steps[0][1].n_samples_seen_ == len(load_data(DataSpec(self.data, 0)).train)
        assert whole["val_accuracy"] > scores["val_accuracy"]


@pytest.mark.parametrize(
    ("target", "resource", "message"),
    [
        (Ridge, "partial_fit", "resource: model 'm' has no partial_fit: give samples, or one of its params"),
        (
            RandomForestClassifier,
            "trees",
            "has no param 'trees': known are partial_fit, samples, min_",
        ),
    ],
)
def test_a_resource_that_it_does_not_have_is_named(target: Any, resource: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SklearnObjective(target, resource).describe("m", None)


def test_a_nested_name_is_known_and_a_strange_one_is_not() -> None:
    takes = SklearnObjective(make_pipeline(StandardScaler(), Ridge())).describe("m", None).takes
    assert takes is not None
    assert {"ridge__alpha", "standardscaler__with_mean"} <= takes
    assert "clf__alpha" not in takes


def test_a_function_may_take_arguments_of_its_own() -> None:
    def made(depth: int = 2) -> Any:
        return RandomForestClassifier(max_depth=depth)

    model = SklearnObjective(made).describe("m", None)
    assert model.takes is not None
    assert {"depth", "n_estimators"} <= model.takes
    assert model.defaults["depth"] == 2
    assert not model.has_epochs


def test_a_scorer_of_scikit_learns_is_reported_where_the_metric_names_it(tmp_path: Path) -> None:
    data = load_data(DataSpec("digits", 0))
    trial = unit(tmp_path, config={"max_depth": 2}, seed=1, data=data, metric="val_f1_macro")
    objective = SklearnObjective(RandomForestClassifier, metric="val_f1_macro")
    assert "val_f1_macro" in (objective.dry_run(trial) or ())
    objective.train(trial)
    assert 0 < trial.progress.reported[1]["val_f1_macro"] < 1


def rehearsed(
    tmp_path: Path, target: Any, data: Data, metric: str = "", resource: str = "none", epochs: int = 1
) -> Any:
    objective = SklearnObjective(target, resource, metric=metric)
    return objective.dry_run(unit(tmp_path, max_epochs=epochs, data=data))


def test_a_pipeline_that_does_not_take_the_table_is_refused_before_any_trial(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("city,rich\n" + "Paris,yes\nRome,no\n" * 20)
    data = load_data(DataSpec(str(tmp_path / "t.csv"), target="rich"))
    with pytest.raises(SetupError, match=r"could not convert string.*column 'city' holds no numbers"):
        rehearsed(tmp_path, make_pipeline(StandardScaler(), SGDClassifier()), data)
    assert "val_accuracy" in rehearsed(tmp_path, make_pipeline(OneHotEncoder(), SGDClassifier()), data)


def test_an_estimator_that_a_few_rows_do_not_suffice_is_rehearsed_on_all(tmp_path: Path) -> None:
    data = load_data(DataSpec("digits"))
    assert rehearsed(tmp_path, KNeighborsClassifier(300), data)
    with pytest.raises(SetupError, match=r"cannot be fitted to data 'digits': ValueError: .*n_neighbors"):
        rehearsed(tmp_path, KNeighborsClassifier(30_000), data)


def test_a_scorer_that_does_not_fit_the_data_is_refused_before_any_trial(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="'val_f1' is not for 10 classes: give val_f1_macro"):
        rehearsed(tmp_path, RandomForestClassifier(3), load_data(DataSpec("digits")), "val_f1")


def test_images_are_flat_without_a_validation_part_too() -> None:
    data = flattened(whole(load_data(DataSpec("digits"))))
    assert (data.train.x.shape[1:], data.validation.x.shape) == ((64,), (0, 64))


class AtLeastTwo(RandomForestClassifier):  # type: ignore[misc]
    """One that a single unit of its resource does not suffice."""

    def fit(self, x: Any, y: Any) -> Any:
        if self.n_estimators < 2:
            raise ValueError("two at least")
        return super().fit(x, y)


def test_a_resource_of_which_one_is_too_few_is_rehearsed_in_full(tmp_path: Path) -> None:
    assert rehearsed(tmp_path, AtLeastTwo(), load_data(DataSpec("digits")), "", "n_estimators", 3)
