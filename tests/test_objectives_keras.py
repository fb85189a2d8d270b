import runpy
from pathlib import Path
from typing import ClassVar

import pytest
from contracts import ObjectiveContract
from units import Reports

from mlflow_hpo.errors import TrialError
from mlflow_hpo.objectives.keras import BuiltIn, KerasObjective
from mlflow_hpo.objectives.keras.save import SERVING
from mlflow_hpo.trial import Config


def objective(name: str) -> KerasObjective:
    found = KerasObjective(BuiltIn(name))
    found.warm_up()
    return found


def no_fetch() -> None:
    pytest.fail("the checkpoint was fetched")


class KerasContract(ObjectiveContract):
    metrics: ClassVar[set[str]] = {"loss", "accuracy", "val_loss", "val_accuracy", "learning_rate"}
    broken: ClassVar[Config] = {"optimizer": "sgd", "learning_rate": 1e30, "units": 8}

    def test_a_model_that_is_held_goes_on_as_a_restored_one_does(self, tmp_path: Path) -> None:
        whole = self.train(self.handle(tmp_path / "whole", 0, 3))
        self.train(self.handle(tmp_path / "held", 0, 1, run_id="held"))
        self.train(self.handle(tmp_path / "other", 0, 1, run_id="other"))  # another trial comes between
        again = tmp_path / "again"  # where there is no checkpoint
        second = self.handle(again, 1, 3, run_id="held", source_id="held", fetch=no_fetch)
        for epoch, values in self.train(second).items():
            assert values == pytest.approx(whole[epoch], abs=2e-3)

    def test_a_unit_may_end_before_its_last_epoch(self, tmp_path: Path) -> None:
        handle = self.handle(tmp_path, 0, 3, reports=Reports(stop_after=2))
        assert sorted(self.train(handle)) == [1, 2]
        later = self.handle(tmp_path, 2, 3)
        assert sorted(self.train(later)) == [3]


class TestMlp(KerasContract):
    config: ClassVar[Config] = {"units": 16, "dropout": 0.3, "schedule": "cosine", "batch_size": 48}

    @pytest.fixture(autouse=True)
    def build(self) -> None:
        self.objective = objective("mlp")

    def test_the_last_batch_is_not_lost(self, tmp_path: Path) -> None:
        """1149 rows in batches of 1000 are two steps an epoch."""
        self.train(self.handle(tmp_path, 0, 2, {**self.config, "batch_size": 1000}))
        assert int(self.model.optimizer.iterations) == 4

    def test_a_checkpoint_that_is_not_there_fails_the_trial(self, tmp_path: Path) -> None:
        with pytest.raises(TrialError, match="the checkpoint of epoch 2 holds no model"):
            self.train(self.handle(tmp_path, 2, 3))

    def test_an_optimizer_that_keras_does_not_know_fails_the_trial(self, tmp_path: Path) -> None:
        with pytest.raises(TrialError, match="Keras knows no optimizer 'adamant'"):
            self.train(self.handle(tmp_path, 0, 1, {"optimizer": "adamant"}))

    def test_a_metric_that_was_never_reported_is_named_with_those_that_were(self, tmp_path: Path) -> None:
        handle = self.handle(tmp_path, 0, 1)
        self.train(handle)
        with pytest.raises(
            TrialError, match="reported no 'f1' at epoch 1: it reported accuracy, learning_rate"
        ):
            handle.progress.value("f1", 1)


class TestCnn(KerasContract):
    config: ClassVar[Config] = {"filters": 4, "units": 8, "dropout": 0.2, "optimizer": "sgd", "momentum": 0.5}
    broken: ClassVar[Config] = {
        "filters": 4,
        "activation": "linear",
        "optimizer": "sgd",
        "learning_rate": 1e30,
    }

    @pytest.fixture(autouse=True)
    def build(self) -> None:
        self.objective = objective("cnn")


def test_loading_the_model_of_a_table_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    """MLflow runs the file wherever the model is loaded, and warns of a `predict` without type hints."""
    import mlflow.pyfunc  # warns on its own account

    assert mlflow.pyfunc.PythonModel
    recwarn.clear()
    assert "RawRows" in runpy.run_path(str(SERVING))
    assert not recwarn.list
