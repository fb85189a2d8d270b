"""XGBoost's, LightGBM's and CatBoost's estimators stop early on the validation rows, and boost by rounds."""

from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from catboost import CatBoostClassifier, CatBoostRegressor
from contracts import ObjectiveContract
from lightgbm import LGBMClassifier, LGBMRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from units import Reports, unit
from xgboost import XGBClassifier, XGBRegressor
from xgboost.callback import EarlyStopping

from mlflow_hpo import tune
from mlflow_hpo.data import Data, DataSpec, load_data, whole
from mlflow_hpo.data.preprocess import flattened
from mlflow_hpo.errors import NotFiniteError
from mlflow_hpo.metric import Metric
from mlflow_hpo.objectives.sklearn import SklearnObjective, boosters
from mlflow_hpo.study import first_model
from mlflow_hpo.trial import Config

ROUNDS = 60


class Exploding(XGBClassifier):  # type: ignore[misc]
    """One whose probabilities are not numbers."""

    def predict_proba(self, x: Any) -> Any:
        return np.full((len(x), 10), np.nan)


class BoosterContract(ObjectiveContract):
    metrics: ClassVar[set[str]] = {"accuracy", "val_accuracy"}
    broken: ClassVar[Config] = {}
    each_epoch = False

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        self.objective = SklearnObjective(Exploding(n_jobs=1), "n_estimators")
        with pytest.raises(NotFiniteError, match="loss became nan at epoch 1"):
            self.train(self.handle(tmp_path, 0, 1, {"max_depth": 2}))


class TestXGBoost(BoosterContract):
    config: ClassVar[Config] = {"max_depth": 2}
    objective = SklearnObjective(XGBClassifier(n_jobs=1), "n_estimators")


class TestLightGBM(BoosterContract):
    config: ClassVar[Config] = {"max_depth": 2, "subsample": 0.7, "subsample_freq": 1}
    objective = SklearnObjective(LGBMClassifier(n_jobs=1), "auto")


class TestCatBoost(BoosterContract):
    config: ClassVar[Config] = {"catboostclassifier__depth": 2, "catboostclassifier__learning_rate": 0.3}
    objective = SklearnObjective(make_pipeline(StandardScaler(), CatBoostClassifier(thread_count=1)), "auto")


@pytest.fixture
def data(tmp_path: Path) -> Data:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4))
    np.savez(tmp_path / "rows.npz", x=x, y=(x[:, 0] + random.normal(size=300) > 0).astype(int))
    return load_data(DataSpec(str(tmp_path / "rows.npz")))


@pytest.fixture
def values(tmp_path: Path) -> Data:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 4))
    np.savez(tmp_path / "values.npz", x=x, y=x[:, 0] + random.normal(size=300))
    return load_data(DataSpec(str(tmp_path / "values.npz")))


STOPPING = [
    XGBClassifier(n_estimators=ROUNDS, early_stopping_rounds=3, n_jobs=1),
    XGBClassifier(n_estimators=ROUNDS, callbacks=[EarlyStopping(3)], n_jobs=1),
    LGBMClassifier(n_estimators=ROUNDS, n_iter_no_change=3, n_jobs=1),
    CatBoostClassifier(iterations=ROUNDS, early_stopping_rounds=3, thread_count=1, learning_rate=0.5),
    make_pipeline(StandardScaler(), XGBClassifier(n_estimators=ROUNDS, early_stopping_rounds=3, n_jobs=1)),
    make_pipeline(StandardScaler(), LGBMClassifier(n_estimators=ROUNDS, early_stopping_round=3, n_jobs=1)),
]


@pytest.mark.parametrize("estimator", STOPPING, ids=range(len(STOPPING)))
def test_the_validation_rows_stop_it_and_its_best_rounds_are_scored(
    estimator: Any, data: Data, tmp_path: Path
) -> None:
    objective, trial = SklearnObjective(estimator), unit(tmp_path / "unit", data=data)
    assert objective.dry_run(unit(tmp_path / "tried", data=data))
    objective.train(trial)
    model = trial.reporter.model  # type: ignore[attr-defined]
    assert 1 <= boosters.best_rounds(model) < ROUNDS - 3
    assert trial.progress.reported[1]["val_accuracy"] == np.mean(
        model.predict(data.validation.x) == data.validation.y
    )


@pytest.mark.parametrize("estimator", STOPPING, ids=range(len(STOPPING)))
def test_a_final_training_finds_out_how_many_rounds_and_boosts_them_on_all_rows(
    estimator: Any, data: Data, tmp_path: Path
) -> None:
    trial = unit(tmp_path / "unit", data=whole(data))
    SklearnObjective(estimator).train(trial)
    model = trial.reporter.model  # type: ignore[attr-defined]
    assert not boosters.stops_early(model)
    assert 1 <= boosters.rounds_asked(model) < ROUNDS - 3


@pytest.mark.parametrize(
    "estimator",
    [XGBRegressor(n_jobs=1), LGBMRegressor(n_jobs=1), CatBoostRegressor(thread_count=1)],
    ids=["xgboost", "lightgbm", "catboost"],
)
def test_each_round_is_logged_however_few_are_judged(estimator: Any, values: Data, tmp_path: Path) -> None:
    trial = unit(tmp_path / "unit", 0, 9, data=values, rungs=(3,), reports=Reports())
    SklearnObjective(estimator, "auto").train(trial)
    assert sorted(trial.progress.reported) == [3, 9]
    curve = {epoch for epoch, metrics in trial.reporter.metrics if "r2" not in metrics}  # type: ignore[attr-defined]
    assert curve == set(range(1, 10)) or not curve


def test_its_own_early_stopping_ends_a_trial_between_rungs(data: Data, tmp_path: Path) -> None:
    stopping = XGBClassifier(early_stopping_rounds=3, n_jobs=1)
    trial = unit(tmp_path / "unit", 0, ROUNDS, data=data, rungs=(1, 3), max_epochs=90)
    SklearnObjective(stopping, "n_estimators").train(trial)
    assert 3 < trial.reached < ROUNDS
    assert trial.ended_itself
    assert trial.reason == f"ended by itself at epoch {trial.reached} of 90"


@pytest.mark.parametrize("estimator", STOPPING, ids=range(len(STOPPING)))
def test_of_a_scheduler_s_rounds_the_best_ones_count(estimator: Any, data: Data, tmp_path: Path) -> None:
    objective, metric = SklearnObjective(estimator, "auto"), Metric("val_accuracy", True)
    trial = unit(tmp_path / "unit", 0, ROUNDS, data=data, metric=metric, max_epochs=ROUNDS)
    objective.train(trial)
    best = boosters.best_rounds(trial.reporter.model)  # type: ignore[attr-defined]
    assert trial.best_epoch == best <= trial.reached - 3
    final = unit(tmp_path / "final", 0, best, data=whole(data), max_epochs=ROUNDS)
    objective.train(final)
    assert boosters.rounds_asked(final.reporter.model) == best  # type: ignore[attr-defined]


def test_a_config_may_ask_for_fewer_rounds_than_a_scheduler_would_give(data: Data, tmp_path: Path) -> None:
    config = {"n_estimators": 5}
    trial = unit(tmp_path / "unit", 0, 9, data=data, config=config, max_epochs=9)
    SklearnObjective(XGBClassifier(n_jobs=1), "auto").train(trial)
    assert trial.reached == 5
    assert trial.reporter.model.get_booster().num_boosted_rounds() == 5  # type: ignore[attr-defined]


def test_a_default_that_catboost_does_not_show_is_left_to_it(data: Data, tmp_path: Path) -> None:
    objective = SklearnObjective(CatBoostClassifier(thread_count=1), "auto")
    info = objective.describe("catboost", data)
    assert info.usual_epochs == 1000
    assert {"depth", "iterations"} <= (info.takes or set())
    trial = unit(tmp_path / "unit", 0, 2, data=data, config={"depth": info.defaults["depth"]})
    objective.train(trial)
    assert trial.reporter.model.get_all_params()["depth"] == 6  # type: ignore[attr-defined]


def test_a_scheduler_gives_rounds_without_being_told_what_an_epoch_is(
    data: Data, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(first_model, "END_SECONDS", 0)  # whether the model loads is not asked here
    model = LGBMClassifier(n_estimators=9, n_jobs=1)
    rows = (flattened(data).train.x, data.train.y)
    options: dict[str, Any] = {"max_trials": 4, "scheduler": "asha", "algorithm": "random"}
    study = tune(model, {"num_leaves": [2, 8, 31]}, rows, workers=0, progress=False, **options)
    assert max(trial.epochs for trial in study.trials) == 9
    assert min(trial.epochs for trial in study.trials) < 9
    assert study.best_model().predict(rows[0]).shape == (len(rows[0]),)
