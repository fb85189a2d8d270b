"""A trial is trained again from what its run records."""

from collections.abc import Callable

import pytest

from mlflow_hpo.errors import StudyError
from mlflow_hpo.store import Connection, find_trial, keys
from mlflow_hpo.store.history import COMMIT, DATA, Record
from mlflow_hpo.study.driver import Study
from mlflow_hpo.study.replay import Replay, replay, replay_lines
from mlflow_hpo.trial import State, Trial

Start = Callable[..., Study]
TRIAL = Trial(3, "abc", State.FINISHED, {})


@pytest.mark.slow
def test_a_replayed_trial_comes_out_as_it_was(start: Start, connection: Connection) -> None:
    study = start({"max_trials": 2, "max_epochs": 3}, "dropout: {type: float, low: 0.1, high: 0.5}")
    study.drive()
    _, trial = find_trial(connection, f"{study.run.run_id}:1")
    assert find_trial(connection, trial.run_id)[1] == trial == study.known[1]
    found = replay(study.dispatcher, trial)
    assert found.epochs == 3
    assert found.gap <= 0.02
    assert not found.differences
    made = connection.client.get_run(found.run_id)
    own = connection.client.get_run(trial.run_id)
    assert made.data.params == own.data.params
    assert made.data.tags[keys.REPLAYED] == "1"
    assert made.info.status == "FINISHED"
    assert study.run.trials.load() == study.known  # it is no trial


@pytest.mark.slow
def test_what_differs_from_the_record_is_named(start: Start, connection: Connection) -> None:
    study = start({"max_trials": 1, "max_epochs": 1})
    study.drive()
    trial = study.known[0]
    tags = {keys.COMMIT: "0123abc", "machine.tensorflow": "1.15.0", "machine.host": "elsewhere"}
    connection.write(trial.run_id, tags=tags)
    found = replay(study.dispatcher, trial)
    assert len(found.differences) == 2
    assert any(w.startswith(f"{COMMIT}: 0123abc then, ") for w in found.differences)
    assert any(w.startswith("tensorflow: 1.15.0 then, 2.") for w in found.differences)


def test_other_data_are_named_by_their_digest() -> None:
    then, now = Record({DATA: "digits abc"}, {}), Record({DATA: "digits def", "gpu": "H"}, {})
    assert then.differences(now) == ["data: digits abc then, digits def now", "gpu: not recorded then, H now"]


def test_within_its_tolerance_it_agrees_and_beyond_it_does_not() -> None:
    near, far = (Replay("run", gap, 2, 5, ["tensorflow: 1 then, 2 now"]) for gap in (0.01, 0.3))
    assert (
        replay_lines(near, TRIAL, "loss", 0.02)[-1]
        == "loss agrees within 0.01 (tolerance 0.02), over 5 epochs"
    )
    assert (
        replay_lines(Replay("run", 0, 1, 5, []), TRIAL, "loss", 0)[-1] == "loss agrees exactly, over 5 epochs"
    )
    with pytest.raises(StudyError, match=r"differs by 0.3 at epoch 2, .*; tensorflow: 1 then, 2 now"):
        replay_lines(far, TRIAL, "loss", 0.02)


def test_what_cannot_be_replayed_is_named(start: Start, connection: Connection) -> None:
    study = start()
    failed = study.run.trials.end(study.run.trials.create(0, {}, 1), State.FAILED, "boom")
    with pytest.raises(StudyError, match="trial 0 has no result to compare with: it is failed"):
        replay(study.dispatcher, failed)
    with pytest.raises(StudyError, match=r"is no trial: give the run id of a trial, or STUDY:NUMBER"):
        find_trial(connection, study.run.run_id)
    with pytest.raises(StudyError, match=r"no trial '.*:7'"):
        find_trial(connection, f"{study.run.run_id}:7")
