"""Extra runs do not stay RUNNING, however their training goes."""

from collections.abc import Callable

import pytest

from mlflow_hpo.errors import StudyError
from mlflow_hpo.registry.extra_runs import ended_at_last, result_of
from mlflow_hpo.store import Connection, keys
from mlflow_hpo.study.driver import Study
from mlflow_hpo.trial import State, Trial, Unit

Start = Callable[..., Study]
TRIAL = Trial(4, "", State.FINISHED, {"activation": "nonsense"})


def extra_run(study: Study) -> str:
    return study.run.extra_runs.create(TRIAL, 1, keys.REPLAYED, "extra")


def status(connection: Connection, run_id: str) -> str:
    return str(connection.client.get_run(run_id).info.status)


def test_a_training_that_fails_is_named_and_its_run_has_failed(start: Start, connection: Connection) -> None:
    study = start()
    run_id = extra_run(study)
    work = study.dispatcher.submit_extra(run_id, Unit(4, 0, 1), TRIAL.config, 1)
    with pytest.raises(StudyError, match=r"^trial 4 did not train: .*nonsense"):
        result_of(study.run, run_id, work, "trial 4 did not train")
    assert status(connection, run_id) == "FAILED"


def test_an_interruption_kills_those_that_are_left_and_no_others(
    start: Start, connection: Connection
) -> None:
    study = start()
    over, left, later = (extra_run(study) for _ in range(3))
    running = {over, left}

    def work() -> None:
        with ended_at_last(study.run, running):
            running.remove(over)
            running.add(later)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work()
    found = {run_id: status(connection, run_id) for run_id in (over, left, later)}
    assert found == {over: "RUNNING", left: "KILLED", later: "KILLED"}


def test_a_training_that_nobody_recorded_did_not_take_place(start: Start, connection: Connection) -> None:
    """The user's own MLflow calls end a run; then the driver died, before it wrote how that came out."""
    study = start()
    run_id = study.run.extra_runs.create(TRIAL, 1, keys.RETRAINED, "again-0004")
    connection.client.set_terminated(run_id, "FINISHED")
    assert study.run.extra_runs.retrained() == {}
    study.run.extra_runs.end_abandoned()
    assert status(connection, run_id) == "KILLED"
