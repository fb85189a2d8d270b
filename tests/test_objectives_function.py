"""Any function: `objective(trial)` keeps the contract, and what another returns is taken for what it is."""

from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from contracts import ObjectiveContract
from mlflow.pyfunc.model import PythonModel
from sklearn.linear_model import SGDClassifier
from units import Reports, ending, unit

from mlflow_hpo.errors import SetupError, TrialError
from mlflow_hpo.objectives.function import CONFIG_FORM, KEYWORD_FORM, TRIAL_FORM, FunctionObjective, form_of
from mlflow_hpo.objectives.handle import Handle
from mlflow_hpo.trial import Config


def objective(trial: Handle) -> None:
    """A framework of one's own: weights in a file, one pass over the rows an epoch."""
    assert trial.data is not None
    train, held_out = trial.data.train, trial.data.validation
    x, y = train.x.reshape(len(train), -1), np.eye(10)[train.y]
    file = trial.checkpoint / "weights.npy"
    weights = np.load(file) if trial.start else np.zeros((x.shape[1], 10))
    for epoch in range(trial.start + 1, trial.epochs + 1):
        weights -= trial.config["rate"] * x.T @ (x @ weights - y) / len(x)
        loss = float(((x @ weights - y) ** 2).mean())
        found = (held_out.x.reshape(len(held_out), -1) @ weights).argmax(axis=1)
        if not trial.report(epoch, {"loss": loss, "val_accuracy": float((found == held_out.y).mean())}):
            break
    np.save(file, weights)
    trial.log_model("pyfunc", Linear(weights), inputs=train.x[:2], outputs=found[:2])


class Linear(PythonModel):
    """What it logs."""

    def __init__(self, weights: Any) -> None:
        self.weights = weights

    def predict(self, model_input: Any) -> Any:  # type: ignore[override]
        return (model_input.reshape(len(model_input), -1) @ self.weights).argmax(axis=1)


class TestFunction(ObjectiveContract):
    objective = FunctionObjective(objective, TRIAL_FORM)
    config: ClassVar[Config] = {"rate": 0.01}
    broken: ClassVar[Config] = {"rate": 1e300}
    metrics: ClassVar[set[str]] = {"loss", "val_accuracy"}
    keeps_best = False


def handle(folder: Path, config: Config, epochs: int = 1, **more: Any) -> Handle:
    return unit(folder, more.pop("start", 0), epochs, config=config, seed=3, metric="loss", **more)


@pytest.mark.parametrize(
    ("answer", "metrics"),
    [
        (0.5, {"loss": 0.5}),
        (np.float32(0.5), {"loss": 0.5}),
        ({"loss": 0.5, "status": "ok", "size": 3}, {"loss": 0.5, "size": 3.0}),
    ],
    ids=str,
)
def test_a_number_or_a_mapping_is_what_it_reports(tmp_path: Path, answer: Any, metrics: Any) -> None:
    trial = handle(tmp_path, {"x": 1})
    FunctionObjective(lambda config: answer, CONFIG_FORM).train(trial)
    assert trial.progress.reported == {1: metrics}


@pytest.mark.parametrize("answer", [None, 0.4])
def test_a_break_ends_the_trial_whatever_is_returned(tmp_path: Path, answer: float | None) -> None:
    def objective(trial: Handle) -> float | None:
        trial.report(1, {"loss": 0.5})
        trial.report(2, {"loss": 0.25})
        return answer

    trial = handle(tmp_path, {"x": 1}, epochs=9)
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert trial.progress.reported == {1: {"loss": 0.5}, 2: {"loss": 0.25}}
    assert ending(trial) == "ended by itself at epoch 2 of 9"


def test_what_is_returned_after_a_few_reports_is_of_the_last_epoch(tmp_path: Path) -> None:
    def objective(trial: Handle) -> float:
        for epoch in (2, 4):
            trial.report(epoch, {"loss": 1 / epoch})
        return 0.1

    trial = handle(tmp_path, {"x": 1}, epochs=5)
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert trial.progress.reported[5] == {"loss": 0.1}
    assert not trial.ended_itself


def test_what_is_returned_after_a_false_is_of_where_it_was_told(tmp_path: Path) -> None:
    def objective(trial: Handle) -> float:
        while trial.report(trial.reached + 1, {"loss": 0.5}):
            pass
        return 0.1

    trial = handle(tmp_path, {"x": 1}, epochs=9, reports=Reports(stop_after=3))
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert sorted(trial.progress.reported) == [1, 2, 3]
    assert not trial.ended_itself


@pytest.mark.parametrize("epoch", [0, -1, 1.5, float("nan"), "2", None])
def test_epochs_are_whole_numbers_from_one(tmp_path: Path, epoch: Any) -> None:
    with pytest.raises(SetupError, match=r"trial.report: epochs are whole numbers, counted from 1, not "):
        FunctionObjective(lambda trial: trial.report(epoch, {"loss": 1.0}), TRIAL_FORM).train(
            handle(tmp_path, {})
        )


@pytest.mark.parametrize("epoch", [1, 1.0, np.int64(1), np.float32(1)])
def test_a_whole_number_of_any_type_is_an_epoch(tmp_path: Path, epoch: Any) -> None:
    def objective(trial: Handle) -> None:
        trial.report(epoch, {"loss": 1.0})

    trial = handle(tmp_path, {})
    FunctionObjective(objective, TRIAL_FORM).train(trial)
    assert [type(known) for known in trial.progress.reported] == [int]


def test_a_function_of_keywords_gets_them(tmp_path: Path) -> None:
    trial = handle(tmp_path, {"x": 2.0})
    FunctionObjective(lambda x=1.0, y=3.0: x * y, KEYWORD_FORM).train(trial)
    assert trial.progress.reported == {1: {"loss": 6.0}}


def test_what_is_no_number_stops_the_study(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="the objective returned NoneType and reported nothing: return "):
        FunctionObjective(lambda config: None, CONFIG_FORM).train(handle(tmp_path, {"x": 1}))


def test_a_metric_that_is_not_reported_stops_the_study_and_those_that_are_are_named(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="reported no metric 'loss': it reported f1, size"):
        FunctionObjective(lambda config: {"f1": 0.5, "size": 3}, CONFIG_FORM).train(
            handle(tmp_path, {"x": 1})
        )


def test_a_status_of_hyperopts_fails_the_trial(tmp_path: Path) -> None:
    with pytest.raises(TrialError, match="the objective said status 'fail'"):
        FunctionObjective(lambda config: {"status": "fail"}, CONFIG_FORM).train(handle(tmp_path, {"x": 1}))


def test_the_same_seed_draws_the_same(tmp_path: Path) -> None:
    drawn = []
    for _ in range(2):
        trial = handle(tmp_path, {"x": 1})
        FunctionObjective(lambda config: float(np.random.rand()), CONFIG_FORM).train(trial)
        drawn.append(trial.progress.reported[1]["loss"])
    assert drawn[0] == drawn[1]


def test_the_form_shows_by_the_arguments() -> None:
    assert form_of(objective) == TRIAL_FORM
    assert form_of(lambda params: 0) == CONFIG_FORM
    assert form_of(lambda x=1, **more: 0) == KEYWORD_FORM
    assert form_of(SGDClassifier) == KEYWORD_FORM


def test_a_checkpoint_that_cannot_be_read_fails_the_trial_whatever_the_function_catches(
    tmp_path: Path,
) -> None:
    def careless(trial: Handle) -> None:
        with suppress(Exception):
            np.load(trial.checkpoint / "weights.npy")
        trial.report(trial.epochs, {"loss": 0.0})

    def fetch() -> None:
        raise TrialError("the checkpoint cannot be read")

    trial = handle(tmp_path, {"x": 1}, epochs=2, start=1, fetch=fetch)
    with pytest.raises(TrialError, match=r"^the checkpoint cannot be read$"):
        FunctionObjective(careless, TRIAL_FORM).train(trial)
    assert not trial.progress.reported
