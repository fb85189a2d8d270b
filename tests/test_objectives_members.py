"""Folds and repeats: the mean of several trainings, each with its own curves and its own early stop."""

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from contracts import ObjectiveContract
from sklearn.linear_model import SGDClassifier
from test_objectives_function import objective as by_hand
from units import ending, score_of_logged_model

from mlflow_hpo.data import folds
from mlflow_hpo.errors import SetupError
from mlflow_hpo.objectives.cross_validation import Repeated
from mlflow_hpo.objectives.function import TRIAL_FORM, FunctionObjective
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.objectives.sklearn import SklearnObjective
from mlflow_hpo.store import Connection
from mlflow_hpo.trial import Config


class TestFolds(ObjectiveContract):
    objective = Repeated(SklearnObjective(SGDClassifier, "partial_fit"), folds=3, repeats=2, seed=0)
    config: ClassVar[Config] = {"alpha": 1e-3}
    metrics: ClassVar[set[str]] = {"accuracy", "val_accuracy", "val_accuracy_std"}
    broken: ClassVar[Config] = {"rate": 1e300}

    def test_a_loss_that_is_not_finite_fails(self, tmp_path: Path) -> None:
        self.objective = Repeated(FunctionObjective(by_hand, TRIAL_FORM), folds=2, repeats=1, seed=0)
        super().test_a_loss_that_is_not_finite_fails(tmp_path)

    def score(self, trial: Handle, connection: Connection) -> float:
        """Of the first member's model, on the rows that its fold holds out."""
        assert trial.data is not None
        first = next(iter(folds(trial.data, 3, 0)))
        member = replace(trial, context=replace(trial.context, data=first))
        return score_of_logged_model(member, connection, self.counted)

    def value(self, trial: Handle, value: float) -> float:
        members = [json.loads(file.read_text()) for file in sorted(trial.context.folder.rglob("member.json"))]
        assert value == pytest.approx(np.mean([member["counted"] for member in members]))
        return float(members[0]["counted"])

    def test_the_driver_knows_what_it_may_tune(self, tmp_path: Path) -> None:
        model = self.objective.describe("own", None)
        assert model.has_epochs
        assert {"accuracy", "val_accuracy"} <= set(self.objective.dry_run(self.handle(tmp_path, 0, 1)) or ())

    def test_each_members_curve_has_its_own_name_and_their_mean_is_the_trials(self, tmp_path: Path) -> None:
        curves: dict[str, list[float]] = {}
        self.train(self.handle(tmp_path, 0, 2))
        for _, values in self.reports.metrics:
            for name in (n for n in values if "val_accuracy" in n):
                curves.setdefault(name, []).append(values[name])
        members = [f"fold_{f}_repeat_{r}/val_accuracy" for f in (1, 2, 3) for r in (1, 2)]
        assert set(members) < set(curves)
        for epoch in (0, 1):
            values = [curves[name][epoch] for name in members]
            assert curves["val_accuracy"][epoch] == pytest.approx(np.mean(values))
            assert curves["val_accuracy_std"][epoch] == pytest.approx(np.std(values))
        assert curves[members[0]] != curves[members[1]]  # other seeds
        assert curves[members[0]] != curves[members[2]]  # other rows

    def test_a_member_that_stops_early_counts_with_its_last_value(self, tmp_path: Path) -> None:
        self.objective = Repeated(FunctionObjective(falling_then_not, TRIAL_FORM), folds=1, repeats=2, seed=0)
        trial = self.handle(tmp_path, 0, 4, metric="loss", early_stopping=1)
        self.objective.train(trial)
        assert trial.reached == 3
        assert ending(trial) == "stopped early at epoch 3 of 4: no better loss for 1 epoch"
        assert trial.progress.reported[3]["loss"] == trial.progress.reported[2]["loss"]

    def test_an_objective_that_tells_only_its_last_epoch_is_repeated_too(self, tmp_path: Path) -> None:
        members = Repeated(
            FunctionObjective(lambda trial: trial.seed / 2**31, TRIAL_FORM), folds=1, repeats=2, seed=0
        )
        trial = self.handle(tmp_path, 0, 3, metric="loss")
        members.train(trial)
        assert list(trial.progress.reported) == [1]  # it does not ask how long to train
        assert trial.progress.reported[1]["loss_std"] > 0


def falling_then_not(trial: "object") -> None:
    from mlflow_hpo.objectives.handle import Handle

    assert isinstance(trial, Handle)
    for epoch in range(trial.start + 1, trial.epochs + 1):
        if not trial.report(epoch, {"loss": -float(min(epoch, 2))}):
            return


def test_folds_need_data(tmp_path: Path) -> None:
    members = Repeated(FunctionObjective(falling_then_not, TRIAL_FORM), folds=2, repeats=1, seed=0)
    trial = TestFolds().handle(tmp_path, 0, 1, data=None)
    with pytest.raises(SetupError, match="folds: 2 folds need data"):
        members.train(trial)
