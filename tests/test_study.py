"""A study in this process: real workers, a real store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Recording

from mlflow_hpo.errors import DataError, StudyError
from mlflow_hpo.schedulers import Plan
from mlflow_hpo.store import Connection
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Trial, Unit

Start = Callable[..., Study]


def status(connection: Connection, run_id: str) -> str:
    return str(connection.client.get_run(run_id).info.status)


def test_when_the_first_five_fail_the_search_stops_in_the_first_ones_words(
    start: Start, connection: Connection, tmp_path: Path
) -> None:
    (tmp_path / "failing.py").write_text("def objective(config): raise KeyError('as asked')")
    study = start({"max_trials": 30, "model": f"{tmp_path}/failing.py:objective"}, "x: [1, 2, 3, 4, 5, 6, 7]")
    message = "the first 5 trials all failed; trial 0: KeyError: 'as asked'"
    with pytest.raises(StudyError, match=message):
        study.drive()
    assert len(study.known) == 5
    assert status(connection, study.run.run_id) == "FAILED"
    assert all(status(connection, t.run_id) == "FAILED" for t in study.known)


def test_data_that_cannot_be_loaded_stops_the_study_at_once(
    start: Start, connection: Connection, keras_cache: Path
) -> None:
    (keras_cache / "mnist.npz").write_bytes(b"nothing")
    study = start({"max_trials": 30, "data": "mnist", "seed": 1})
    with pytest.raises(DataError, match=r"data set 'mnist' in .* cannot be read"):
        study.drive()
    assert len(study.known) == 1
    assert status(connection, study.run.run_id) == "FAILED"
    assert not study.running


def test_a_trial_that_raises_keeps_its_traceback_and_the_search_goes_on(
    start: Start, connection: Connection
) -> None:
    study = start({"max_trials": 3}, "activation: [nonsense]\nunits: [8, 16]")
    study.drive()
    first, *others = study.known
    assert first.state is State.FINISHED  # the baseline knows nothing of the space
    for trial in others:
        assert trial.state is State.FAILED
        assert "nonsense" in trial.reason
        text = connection.client.get_run(trial.run_id).data.tags["mlflow.note.content"]
        assert "Traceback" in text
        names = [a.path for a in connection.client.list_artifacts(trial.run_id)]
        assert "traceback.txt" in names


def test_a_loss_that_becomes_nan_is_named_with_its_epoch(start: Start) -> None:
    study = start({"max_trials": 2}, "optimizer: [sgd]\nlearning_rate: {type: float, low: 1e29, high: 1e30}")
    study.drive()
    assert study.known[1].state is State.FAILED
    assert "at epoch" in study.known[1].reason
    assert "became" in study.known[1].reason


def test_a_resume_may_ask_for_more_trials(start: Start, again: Start) -> None:
    study = start({"max_trials": 2, "max_epochs": 1})
    study.drive()
    more = again(study, max_trials=4)
    more.drive()
    assert [t.run_id for t in more.known][:2] == [t.run_id for t in study.known]
    assert len(more.known) == 4


@dataclass(frozen=True)
class InTwoRungs:
    """Every trial to epoch 1, then the better half on to the end: what a later scheduler will do."""

    max_trials: int
    max_epochs: int

    @property
    def plan(self) -> Plan:
        return Plan((1, self.max_epochs), 0, 0)

    def next(self, trials: Sequence[Trial], more: bool = True) -> Unit | None:
        if len(trials) < self.max_trials:
            return Unit(None, 0, 1)
        if any(t.state is State.RUNNING and not t.epochs for t in trials):
            return None
        ranked = sorted((t for t in trials if t.losses), key=lambda t: t.losses[1])
        for trial in ranked[: self.max_trials // 2]:
            if trial.state is State.PAUSED:
                return Unit(trial.number, 1, self.max_epochs, source=trial.number)
        return None


def test_a_promotion_goes_on_in_the_same_run(
    start: Start, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = start({"max_trials": 4, "max_epochs": 3})
    monkeypatch.setattr(study, "_scheduler", InTwoRungs(4, 3))
    study.drive()
    promoted = [t for t in study.known if t.epochs == 3]
    stopped = [t for t in study.known if t.epochs == 1]
    assert len(promoted) == len(stopped) == 2
    assert all(t.reason == "at epoch 1 of 3" and t.state is State.STOPPED for t in stopped)
    for trial in promoted:
        history = connection.client.get_metric_history(trial.run_id, "val_accuracy")
        assert [m.step for m in history] == [1, 2, 3]
        assert sorted(trial.losses) == [1, 3]
        assert -trial.losses[1] == history[0].value
        assert -trial.losses[3] == history[2].value
    assert all(status(connection, t.run_id) == "FINISHED" for t in study.known)


def curve(connection: Connection, trial: Trial, metric: str = "val_accuracy") -> list[tuple[int, float]]:
    return [(m.step, m.value) for m in connection.client.get_metric_history(trial.run_id, metric)]


def test_promoted_trials_have_unbroken_curves_and_stopped_ones_say_where(
    start: Start, connection: Connection
) -> None:
    study = start({"scheduler": "asha", "max_trials": 9, "max_epochs": 9}, "units: [8, 16, 24, 32, 40]")
    study.drive()
    assert study.known[0].epochs == 9  # the baseline is trained to the end, or gains would mean little
    stopped = [t for t in study.known if t.epochs < 9]
    assert stopped
    for trial in study.known:
        assert trial.state is (State.STOPPED if trial in stopped else State.FINISHED)
        steps = curve(connection, trial)
        assert [step for step, _ in steps] == list(range(1, trial.epochs + 1))
        assert {epochs: -loss for epochs, loss in trial.losses.items()} == pytest.approx(
            {step: value for step, value in steps if step in trial.losses}
        )
        tags = connection.client.get_run(trial.run_id).data.tags
        assert tags["mlflow_hpo.reason"] == (f"at epoch {trial.epochs} of 9" if trial in stopped else "")
        assert trial.model_uri


def test_a_copy_goes_on_from_its_sources_checkpoint_with_a_changed_config(
    start: Start, connection: Connection
) -> None:
    options = {"scheduler": "pbt", "max_trials": 4, "max_epochs": 4, "min_epochs": 2}
    study = start(options, "units: [16, 32]\nlearning_rate: {type: float, low: 1e-4, high: 1e-1, log: true}")
    study.drive()
    (copy,) = [t for t in study.known if t.source is not None]
    assert copy.source is not None
    parent = study.known[copy.source]
    assert copy.start == 2
    assert [step for step, _ in curve(connection, copy)] == [3, 4]
    assert copy.config["units"] == parent.config["units"]
    assert copy.config["learning_rate"] != parent.config["learning_rate"]
    assert dict(curve(connection, copy, "loss"))[3] < dict(curve(connection, parent, "loss"))[1]
    assert study.run.trials.load() == study.known


def test_a_target_ends_the_study(start: Start, connection: Connection) -> None:
    study = start({"max_trials": 500, "max_epochs": 50, "target": 0.05})
    study.drive()
    assert [t.epochs for t in study.known] == [1]  # it is not trained on either
    assert study.run.state == "finished: ended by its target: val_accuracy reached 0.05"


def test_patience_ends_the_study(start: Start) -> None:
    space = "optimizer: [sgd]\nlearning_rate: {type: float, low: 1e-9, high: 1e-8}"
    study = start({"max_trials": 500, "max_epochs": 2, "patience": 2}, space)
    study.drive()
    assert len(study.known) == 3  # nothing learns but the baseline
    assert study.run.state == "finished: ended by its patience"


def test_a_grid_ends_with_its_last_combination(start: Start) -> None:
    study = start({"algorithm": "grid", "max_trials": 500, "max_epochs": 1}, "units: [8, 16]")
    study.drive()
    assert sorted(t.config["units"] for t in study.known[1:]) == [8, 16]


def test_a_timeout_ends_the_study_but_does_not_fail_it(start: Start, connection: Connection) -> None:
    def let_time_pass(trial: Trial) -> None:
        if trial.state is State.RUNNING and trial.number == 2:
            study.rules.started -= 1000

    study = start({"max_trials": 500, "max_epochs": 1, "timeout": 900}, observer=Recording(let_time_pass))
    study.drive()
    assert [t.state for t in study.known] == [State.FINISHED, State.FINISHED, State.KILLED]
    assert status(connection, study.run.run_id) == "FINISHED"
    assert study.run.state == "finished: ended by its timeout of 900 s"
